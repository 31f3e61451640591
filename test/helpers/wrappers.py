"""How checkpoints hold their state dicts, for oracle.py."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Callable

import torch
from torch.optim.swa_utils import AveragedModel


def bare(state):
    return state


def data_parallel(state):
    return {"state_dict": prefixed("module.", state), "epoch": 90, "best_acc1": 69.778, "arch": "googlenet"}


def compiled(state):
    return prefixed("_orig_mod.", state)


def averaged(state):
    """What AveragedModel saves: a counter beside the keys of the model that it wraps."""
    counter = AveragedModel(torch.nn.Linear(1, 1)).state_dict()["n_averaged"]
    return OrderedDict([("n_averaged", counter), *prefixed("module.", state).items()])


def two_models(state):
    """The averaged weights are those that count; the others differ from them."""
    return {"model": {key: damped(tensor) for key, tensor in state.items()}, "model_ema": state}


def training(state):
    """A training script's whole state, with an optimizer that holds tensors of its own."""
    moments = {index: {"momentum_buffer": torch.ones(3)} for index in range(2)}
    groups = [{"lr": 0.01, "momentum": 0.9, "nesterov": False, "params": [0, 1]}]
    return {"net": state, "optimizer": {"state": moments, "param_groups": groups}, "step": 1234}


def uncounted(state):
    """As saved before torch 0.4.1, whose BatchNorm counts no batches."""
    return OrderedDict((key, tensor) for key, tensor in state.items() if not key.endswith("num_batches_tracked"))


def prefixed(prefix, state):
    return OrderedDict((prefix + key, tensor) for key, tensor in state.items())


def stripped(prefix, keys):
    return [key[len(prefix) :] if key.startswith(prefix) else key for key in keys]


def damped(tensor):
    return tensor * 0.9 if tensor.is_floating_point() else tensor


@dataclass
class Wrapper:
    """How a checkpoint holds its state dict, and where a reader finds it."""

    wrap: Callable
    path: str = ""
    prefix: str = ""
    candidates: tuple = ()


WRAPPERS = {
    "bare": Wrapper(bare),
    "data_parallel": Wrapper(data_parallel, "state_dict", "module."),
    "compiled": Wrapper(compiled, prefix="_orig_mod."),
    "averaged": Wrapper(averaged, prefix="module."),
    "two_models": Wrapper(two_models, "model_ema", candidates=("model", "model_ema")),
    "training": Wrapper(training, "net"),
    "uncounted": Wrapper(uncounted),
}


def used_for_nothing(keys):
    """Those of a state dict's keys that inference has no use for."""
    return [
        key
        for key in keys
        if key.startswith(("aux1.", "aux2.")) or key.endswith("num_batches_tracked") or key == "n_averaged"
    ]
