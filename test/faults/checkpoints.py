#!/usr/bin/env python3
"""One network by torchvision, and golden files that a mistake in PyTorch spoilt: `--seed N --out DIR [NAME..]`.

It writes `base.pth`, `base.golden.pth` and `transform.golden.pth`, which are right (the second with
`transform_input` on), and one golden file for each mistake below, all with the activations of the run
that gave their logits; given NAMES, for these mistakes alone, which must not be ones that draw at random. No file
says how it was made: that is for the validator to find out.
"""

import argparse
import copy
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torchvision.models import googlenet
from torchvision.models.googlenet import BasicConv2d, Inception

sys.path.append(str(Path(__file__).parents[1] / "helpers"))

import oracle  # noqa: E402
from spoilt_networks import SPOILT_NETWORKS, with_transform  # noqa: E402

# An even size, where padding by `same` is wrong for conv1; the first three pools hang over the edge.
CASE = oracle.Case("faults", 64, classes=20)
RECORDED = (BasicConv2d, Inception, torch.nn.MaxPool2d, torch.nn.AdaptiveAvgPool2d, torch.nn.Linear)


# ---------------------------------------------------------------- a run


def run(model, given, saved=None):
    """What a golden file holds: the logits and activations of `given`, beside the input as saved."""
    activations, handles = {}, []
    for name, module in model.named_modules():
        if isinstance(module, RECORDED):
            handles.append(module.register_forward_hook(recorder(activations, name)))
    output = model(given.clone())
    logits = output if isinstance(output, torch.Tensor) else output.logits
    for handle in handles:
        handle.remove()
    saved = given if saved is None else saved
    return {
        "input": saved.float().contiguous(),
        "logits": logits.detach().float().contiguous(),
        "activations": {name: tensor.float().contiguous() for name, tensor in activations.items()},
    }


def recorder(activations, name):
    def record(_module, _inputs, output):
        activations[name] = output.detach().clone()

    return record


# ---------------------------------------------------------------- mistakes with the input


def pixels(x):
    return x * oracle.STD + oracle.MEAN


def normalize(x):
    return (x - oracle.MEAN) / oracle.STD


SPOILT_INPUTS = {
    "given-bgr": lambda x: x.flip(1),
    "given-bgr-pixels": lambda x: normalize(pixels(x).flip(1)),
    "given-pixels": pixels,
    "given-0-255": lambda x: 255 * pixels(x),
    "given-normalized-twice": normalize,
    "given-nhwc": lambda x: x.permute(0, 2, 3, 1).reshape(x.shape),
    "given-mirrored": lambda x: x.flip(3),
    "given-transposed": lambda x: x.transpose(2, 3),
}


# ---------------------------------------------------------------- mistakes with the logits


def softmax(golden):
    golden["logits"] = golden["logits"].softmax(1)


def log_softmax(golden):
    golden["logits"] = golden["logits"].log_softmax(1)


def rows(golden):
    golden["logits"] = golden["logits"].roll(1, 0)


def classes(golden):
    golden["logits"] = golden["logits"].roll(1, 1)


SPOILT_LOGITS = {"softmax": softmax, "log-softmax": log_softmax, "rows": rows, "classes": classes}


# ---------------------------------------------------------------- other networks


def step(model, batch):
    """The network after one more step of training than the checkpoint has."""
    labels = torch.arange(len(batch)) % CASE.classes
    with torch.enable_grad():
        F.cross_entropy(model(batch), labels).backward()
        torch.optim.SGD(model.parameters(), lr=1e-5).step()


def aux_logits(model, batch):
    """Those of the second auxiliary head, in place of the network's own."""
    whole = googlenet(weights=None, num_classes=CASE.classes, aux_logits=True, init_weights=False)
    whole.load_state_dict(model.state_dict(), strict=False)
    golden = run(model, batch)
    golden["logits"] = whole.eval().aux2(golden["activations"]["inception4d"])
    return golden


# ---------------------------------------------------------------- output


@torch.no_grad()
def write(seed, out, names):
    torch.manual_seed(seed)
    model = oracle.build(CASE)
    batch, _ = oracle.ask(model, CASE)
    torch.save(model.state_dict(), out / "base.pth")

    def save(name, make):
        if not names or name in ("base", "transform", *names):
            torch.save(make(), out / f"{name}.golden.pth")

    def spoilt(spoil):
        other = copy.deepcopy(model)
        spoil(other)
        return other

    def with_logits(spoil):
        golden = run(model, batch)
        spoil(golden)
        return golden

    save("base", lambda: run(model, batch))
    save("transform", lambda: run(spoilt(with_transform), batch))
    for name, spoil in SPOILT_NETWORKS.items():
        save(name, lambda: run(spoilt(spoil), batch))
    for name, spoil in SPOILT_INPUTS.items():
        save(name, lambda: run(model, spoil(batch), saved=batch))
    for name, spoil in SPOILT_LOGITS.items():
        save(name, lambda: with_logits(spoil))
    save("aux", lambda: aux_logits(model, batch))
    save("one-more-step", lambda: run(spoilt(lambda other: step(other, batch)), batch))
    save("other-checkpoint", lambda: run(oracle.build(CASE), batch))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    write(options.seed, options.out, options.names)


if __name__ == "__main__":
    main()
