#!/usr/bin/env python3
"""Random GoogLeNets by torchvision, trained by PyTorch: `training-oracle.py --seed N --out DIR`, a file for each case."""

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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    for case in CASES:
        record, _ = train(case, options.seed)
        torch.save(record, options.out / f"{case.name}.pth")


if __name__ == "__main__":
    main()
