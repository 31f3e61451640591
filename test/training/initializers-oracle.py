#!/usr/bin/env python3
"""How torchvision's GoogLeNet starts: `initializers-oracle.py --seed N --out DIR` writes two state dicts.

`default.pth` is with `init_weights=False`. `truncated.pth` draws from the normal of deviation 0.01 within two
deviations, as torchvision up to 0.11 did; later ones pass bounds that cut nothing off.
"""

import argparse
from pathlib import Path

import torch
from torchvision.models import googlenet


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    model = googlenet(weights=None, num_classes=10, aux_logits=True, init_weights=False)
    torch.save(model.state_dict(), options.out / "default.pth")
    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.trunc_normal_(module.weight, mean=0.0, std=0.01, a=-0.02, b=0.02)
    torch.save(model.state_dict(), options.out / "truncated.pth")


if __name__ == "__main__":
    main()
