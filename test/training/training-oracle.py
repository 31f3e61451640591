#!/usr/bin/env python3
"""Random GoogLeNets by torchvision, trained by PyTorch: `training-oracle.py CASE --seed N --out DIR` writes CASE.pth.

`--likely N...` are numbers of batches that may be clear of kinks: to find them takes a minute.
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "golden"))

from training import Case, train  # noqa: E402

CASES = (
    Case("as-published", 80, 4),
    Case("transformed", 111, 2, classes=3, transform=True),
    Case("paper-kernels", 47, 6, aux=False, branch3=5),
    Case("smallest", 15, 16, steps=3),
)
"""At 111 pixels the windows of the adaptive pools, 7 to 4, are of several sizes."""


def main():
    cases = {case.name: case for case in CASES}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=cases)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--likely", type=int, nargs="*", default=[])
    options = parser.parse_args()
    record, _ = train(cases[options.case], options.seed, options.likely)
    torch.save(record, options.out / f"{options.case}.pth")


if __name__ == "__main__":
    main()
