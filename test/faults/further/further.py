#!/usr/bin/env python3
"""More mistakes that people make with PyTorch, one golden file each: `--seed N --out DIR [NAME...]`.

It writes `base.pth`, `base.golden.pth` and `transform.golden.pth`, which are right (the second with
`transform_input` on), and `NAME.golden.pth` for each name; some names come with a `NAME.pth` of their own.
A golden file holds what each block and each pool gave in the run that is recorded, and does not say how it
was made.
"""

import argparse
from pathlib import Path

import torch

from given import INPUTS, LOGITS
from ground import CASE, Ground, oracle, run
from networks import NETWORKS
from others import OTHERS, transforming
from sound import SOUND, SOUND_NETWORKS


def make(name, ground):
    if name in NETWORKS:
        return run(ground.spoilt(NETWORKS[name]), ground.batch)
    if name.startswith("given-"):
        return run(ground.model, INPUTS[name[6:]](ground.batch), ground.batch)
    if name.startswith("logits-"):
        golden = run(ground.model, ground.batch)
        return {**golden, "logits": LOGITS[name[7:]](golden["logits"])}
    if name in SOUND_NETWORKS:
        return SOUND_NETWORKS[name](ground, name)
    return {**OTHERS, **SOUND}[name](ground)


@torch.no_grad()
def write(names, seed, out):
    torch.manual_seed(seed)
    model = oracle.build(CASE)
    batch, _ = oracle.ask(model, CASE)
    ground = Ground(model, batch, out)
    torch.save(model.state_dict(), out / "base.pth")
    torch.save(run(model, batch), out / "base.golden.pth")
    torch.save(run(transforming(ground), batch), out / "transform.golden.pth")
    for name in names:
        # What one draws must not depend on which others are asked for.
        torch.manual_seed(seed + 1)
        torch.save(make(name, ground), out / f"{name}.golden.pth")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    write(options.names, options.seed, options.out)


if __name__ == "__main__":
    main()
