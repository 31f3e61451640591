#!/usr/bin/env python3
"""Random GoogLeNets by torchvision, with the logits that PyTorch gives: `oracle.py CASE... --seed N --out DIR`.

For each case it writes a checkpoint and a golden file, and `CASE.json` tells what is in them; without any it
prints their names. The networks are random but sound: every layer passes signal on, and rounding does not
grow on the way, so that a small difference of logits means a fault and not bad luck.
"""

import argparse
import json
import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from torchvision.models import googlenet

from wrappers import WRAPPERS, stripped, used_for_nothing

IMAGES = 2
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


@dataclass
class Case:
    """What is varied. `wrap` names one of WRAPPERS, `aux` the classes of the auxiliary heads."""

    name: str
    size: int
    classes: int = 3
    aux: int = 0
    branch3: int = 3
    transform: bool = False
    legacy: bool = False
    dtype: torch.dtype = torch.float32
    wrap: str = "bare"


CASES = (
    Case("as-published", 224, classes=1000, aux=1000, transform=True, legacy=True),
    Case("paper-kernels", 225, classes=1000, branch3=5),
    Case("smallest", 15, aux=3, branch3=5, transform=True, legacy=True),
    Case("half", 97, classes=10, aux=10, branch3=5, legacy=True, dtype=torch.float16),
    Case("double", 96, transform=True, dtype=torch.float64),
    Case("bfloat16", 64, classes=1000, transform=True, dtype=torch.bfloat16),
    Case("data-parallel", 111, aux=3, wrap="data_parallel"),
    Case("compiled", 231, branch3=5, transform=True, legacy=True, wrap="compiled"),
    Case("averaged", 47, classes=7, branch3=5, wrap="averaged"),
    Case("two-models", 63, classes=12, aux=12, transform=True, wrap="two_models"),
    Case("fine-tuned", 130, classes=1, aux=1000, legacy=True, wrap="training"),
    Case("before-0.4.1", 80, classes=21, wrap="uncounted"),
)


# ---------------------------------------------------------------- images


def images(count, size):
    """Rough likenesses of photographs, normalised: smooth fields of colour under a fine grain."""
    coarse = torch.randn(count, 3, 5, 5)
    fields = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    contrast = 0.4 + torch.rand(count, 1, 1, 1)
    grain = 0.5 * torch.randn(count, 3, size, size)
    pixels = MEAN + STD * contrast * (fields + grain)
    return (pixels.clamp(0, 1) - MEAN) / STD


# ---------------------------------------------------------------- network


@torch.no_grad()
def build(case):
    """The network of a case, ready for use, with weights of its type."""
    model = googlenet(
        weights=None,
        num_classes=case.aux or case.classes,
        aux_logits=case.aux > 0,
        transform_input=case.transform,
        init_weights=False,
    )
    model.fc = torch.nn.Linear(1024, case.classes)
    if case.branch3 == 5:
        widen(model)
    model.to(working_dtype(case))
    draw(model)
    # The feature map shrinks 32 times; each BatchNorm must see some 64 values a channel.
    count = max(6, 64 // math.ceil(case.size / 32) ** 2)
    calibrate(model, images(count, case.size).to(working_dtype(case)))
    # The logits must be those of the weights in the file, after their rounding.
    return model.eval().to(case.dtype).to(working_dtype(case))


def working_dtype(case):
    """What PyTorch computes in: on the CPU it has no convolution of half precision to speak of."""
    return torch.float64 if case.dtype == torch.float64 else torch.float32


def widen(model):
    """Give branch3 the 5x5 kernels of the paper."""
    for name, block in model.named_children():
        if name.startswith("inception"):
            old = block.branch3[1].conv
            block.branch3[1].conv = torch.nn.Conv2d(old.in_channels, old.out_channels, 5, padding=2, bias=False)


def draw(model):
    """Weights by He's rule, which keeps the signal's strength from layer to layer.

    The positive biases of BatchNorm let most of the signal through ReLU. Around zero, each
    layer would amplify the rounding of those before it by a fifth; there are twenty.
    """
    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.uniform_(0.5, 1.5)


def calibrate(model, batch):
    """Set BatchNorm's running statistics to those of a batch, and scale `fc` to logits that differ."""
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
    model.train()
    model(batch)
    for index, norm in enumerate(norms):
        norm.momentum = 0.1
        norm.num_batches_tracked.fill_(1000 + index)
        # A channel that hardly varies would blow its rounding up with everything else in it.
        norm.running_var.clamp_(min=0.1 * norm.running_var.median().item())
    model.fc.bias.zero_()
    logits = model.eval()(batch)
    spread = logits.std(0).mean()
    model.fc.weight.div_(spread)
    # Away from zero, where a relative error means nothing: three times as far as the images spread.
    model.fc.bias.uniform_(3, 4).mul_(logits.mean(0).sign())


def ask(model, case):
    """A batch of images and its logits. Where those of an image nearly vanish, others are drawn:
    a relative error would tell how the rounding fell there, and no more.
    """
    for _ in range(50):
        batch = images(IMAGES, case.size).to(working_dtype(case))
        logits = model(batch)
        if torch.linalg.vector_norm(logits, dim=1).min() >= 2 * math.sqrt(case.classes):
            return batch, logits
    raise RuntimeError(f"{case.name}: the logits of a sound network do not all vanish")


# ---------------------------------------------------------------- faults


def fault_noise(state):
    """One tensor in a thousandth part of noise."""
    weight = state["inception4c.branch2.1.conv.weight"]
    weight.mul_(1 + 1e-3 * torch.randn_like(weight))


def fault_mirror(state):
    """One kernel with its rows and columns swapped."""
    weight = state["inception5a.branch3.1.conv.weight"]
    weight.copy_(weight.transpose(2, 3).clone())


def fault_epsilon(state):
    """Every BatchNorm as if its epsilon were PyTorch's default instead of GoogLeNet's."""
    for key, tensor in state.items():
        if key.endswith("running_var"):
            tensor.add_(1e-5 - 1e-3)


FAULTS = {"noise": fault_noise, "mirror": fault_mirror, "epsilon": fault_epsilon}
FAULTY_CASE = "two-models"


# ---------------------------------------------------------------- output


def relative(actual, reference):
    return (torch.linalg.vector_norm(actual.double() - reference) / torch.linalg.vector_norm(reference)).item()


@torch.no_grad()
def write(case, index, seed, out):
    """Write the files of a case; returns its record."""
    torch.manual_seed(1000 * seed + index)
    model = build(case)
    batch, logits = ask(model, case)
    wrapper = WRAPPERS[case.wrap]
    state = model.to(case.dtype).state_dict()
    saved = wrapper.wrap(state)
    save(saved, out / f"{case.name}.pth", case.legacy)
    save({"input": batch, "logits": logits}, out / f"{case.name}.golden.pth", case.legacy)
    held = saved[wrapper.path] if wrapper.path else saved
    faults = write_faults(state, case, out) if case.name == FAULTY_CASE else []
    counts = {"main": 0, "aux": 0}
    for name, parameter in model.named_parameters():
        counts["aux" if name.startswith("aux") else "main"] += parameter.numel()
    precise = model.double()(batch.double())
    torch.save(precise, out / f"{case.name}.float64.pth")
    single = model.float()(batch.float())
    return {
        "name": case.name,
        "checkpoint": f"{case.name}.pth",
        "golden": f"{case.name}.golden.pth",
        "float64": f"{case.name}.float64.pth",
        "container": "legacy" if case.legacy else "zip",
        "dtype": str(case.dtype).split(".")[1],
        "imageSize": case.size,
        "numClasses": case.classes,
        "aux": case.aux > 0,
        "branch3Kernel": case.branch3,
        "transformInput": case.transform,
        "path": wrapper.path or ".",
        "prefix": wrapper.prefix,
        "candidates": list(wrapper.candidates),
        "ignored": used_for_nothing(stripped(wrapper.prefix, held)),
        "faults": faults,
        "parameters": counts,
        "print": str(model),
        "floor": relative(single, precise),
        "imageFloors": [relative(single[i], precise[i]) for i in range(IMAGES)],
        "logitsStd": logits.std().item(),
        "imagesApart": relative(precise[0], precise[1]),
    }


def write_faults(state, case, out):
    """Checkpoints of the same network with one thing wrong each."""
    records = []
    for fault, spoil in FAULTS.items():
        spoiled = OrderedDict((key, tensor.clone()) for key, tensor in state.items())
        spoil(spoiled)
        name = f"{case.name}.{fault}.pth"
        save(spoiled, out / name, case.legacy)
        records.append({"fault": fault, "checkpoint": name})
    return records


def save(value, path, legacy):
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)


def main():
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(names))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not options.cases:
        print("\n".join(names))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.cases:
        index = names.index(name)
        record = write(CASES[index], index, options.seed, options.out)
        (options.out / f"{name}.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
