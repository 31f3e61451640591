"""What mistakes are made with, and how a run is recorded."""

import copy
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torchvision.models.googlenet import BasicConv2d, Inception

sys.path.append(str(Path(__file__).parents[2] / "helpers"))

import oracle  # noqa: E402

CASE = oracle.Case("further", 64, classes=20)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
RECORDED = (BasicConv2d, Inception, nn.Linear, *POOLS)
MEAN, STD = oracle.MEAN, oracle.STD


@dataclass
class Ground:
    """What a mistake is made with."""

    model: nn.Module
    batch: torch.Tensor
    out: Path

    def spoilt(self, spoil):
        other = copy.deepcopy(self.model)
        spoil(other)
        return other


# ---------------------------------------------------------------- a run


def run(model, given, saved=None):
    """A golden file's tensors; `saved` where the file holds another input than the network was given."""
    held, handles = {}, []

    def hook(name):
        return lambda _module, _inputs, output: held.__setitem__(name, output.detach().float().clone().contiguous())

    for name, module in model.named_modules():
        if isinstance(module, RECORDED) and not name.startswith("aux"):
            handles.append(module.register_forward_hook(hook(name)))
    output = model(given.clone())
    for handle in handles:
        handle.remove()
    logits = output if isinstance(output, torch.Tensor) else output.logits
    saved = given if saved is None else saved
    return {"input": saved.float().contiguous(), "logits": logits.detach().float().contiguous(), "activations": held}


def each(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


def at(model, name):
    return model.get_submodule(name)
