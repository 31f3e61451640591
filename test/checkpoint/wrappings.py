"""GoogLeNets as people wrap and save them, for wrappings.test.ts.

    wrappings.py DIR    writes NAME.pth for each case, and expected.json: for each the options to pass, and
                        torchvision's state dict of the network that is meant, [key, shape, first value] a tensor

Every tensor is one number, expanded: files stay small, and no two tensors are alike.
"""

import argparse
import collections
import enum
import functools
import json
import os
import pathlib
import random
import sys
import types

import numpy
import torch
from torch import nn
from torchvision.models import googlenet


def network(seed=0, classes=10, aux=True, **attributes):
    model = googlenet(weights=None, num_classes=classes, aux_logits=aux, init_weights=False)
    numbers = random.Random(seed)
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.is_floating_point():
            tensor.data = torch.full((1,), numbers.random()).expand(tensor.shape)
    for name, value in attributes.items():
        setattr(model, name, value)
    return model.eval()


def listed(model):
    return [[key, list(t.shape), t.flatten()[0].item()] for key, t in model.state_dict().items()]


class Wrapper(nn.Module):
    """A user's own module around a network."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, torch.Tensor):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)


class Learner:
    """A user's own object, as fastai exports them: no module, and not a dict either."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def fit(self):
        pass


class Slotted:
    __slots__ = ("model", "name")


class Mode(enum.Enum):
    TRAIN = 1


class Config(dict):
    """A dict of a class of its own, with attributes."""


class Items(list):
    pass


def hook(module, inputs, output):
    return output


class Keywords:
    """Saved with NEWOBJ_EX, or with a partial in its place."""

    def __new__(cls, *, size):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (), {"size": 1}


def optimizer_of(model):
    optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.1)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)


def state(model, prefix=""):
    return collections.OrderedDict((prefix + key, value) for key, value in model.state_dict().items())


def whole_modules(net):
    """name: (saved, options, transform_input)"""
    on = network(transform_input=True)
    traced = Wrapper(net=net)
    traced.register_buffer("scratch", torch.zeros(3), persistent=False)
    yield "whole", net, {}
    yield "whole-transform", on, {"transformInput": True}
    yield "whole-parallel", nn.DataParallel(on), {"transformInput": True}
    yield "whole-in-dict", {"model": net, "epoch": 3, "mode": Mode.TRAIN}, {}
    yield "whole-in-list", [3, net], {}
    yield "whole-in-object", Learner(model=net, opt=optimizer_of(net)[0], path=pathlib.Path("x")), {}
    yield "whole-in-wrapper", traced, {}
    yield "whole-with-loss", Wrapper(net=net, criterion=nn.CrossEntropyLoss(weight=torch.ones(10))), {}
    yield "whole-one-of-two", {"a": Wrapper(student=net, teacher=network(1))}, {"key": "a.student"}
    yield "whole-part-by-path", {"a": Wrapper(student=net, other=nn.Linear(2, 2))}, {"key": "a.student"}
    slotted = Slotted()
    slotted.model, slotted.name = net, "x"
    yield "whole-in-slots", slotted, {}
    yield "whole-parallel-parts", parallel_parts(), {}


def parallel_parts():
    net = network()
    net.inception3a = nn.DataParallel(net.inception3a)
    return net


def objects_beside(net):
    optimizer, schedule = optimizer_of(net)
    sd = net.state_dict()
    yield "loss-object", {"state_dict": sd, "criterion": nn.CrossEntropyLoss()}, {}
    yield "schedule", {"state_dict": sd, "scheduler": schedule.state_dict()}, {}
    yield "optimizer-object", {"state_dict": sd, "optimizer": optimizer}, {}
    yield "schedule-object", {"state_dict": sd, "scheduler": schedule}, {}
    yield "enum", {"state_dict": sd, "mode": Mode.TRAIN}, {}
    yield "class", {"state_dict": sd, "class": Wrapper, "function": hook, "builtin": max}, {}
    yield "partial", {"state_dict": sd, "make": functools.partial(nn.Linear, 3, bias=False)}, {}
    yield "bound-method", {"state_dict": sd, "step": Learner(lr=1).fit}, {}
    yield "own-dict", {"state_dict": sd, "config": Config(a=Config(b=1))}, {}
    yield "own-list", {"state_dict": sd, "items": Items([1, Items([2])])}, {}
    yield "keywords", {"state_dict": sd, "x": Keywords(size=1)}, {}
    yield "namespace", {"state_dict": sd, "args": argparse.Namespace(lr=types.SimpleNamespace(a=1))}, {}
    yield "deque", {"state_dict": sd, "last": collections.deque([1, 2], maxlen=5)}, {}
    yield "counts", {"state_dict": sd, "n": collections.defaultdict(int, a=1), "c": collections.Counter("aab")}, {}
    yield "python", {
        "state_dict": sd, "range": range(3), "types": [int, str, type(None), Ellipsis], "complex": 1j,
        "set": {1}, "frozen": frozenset([2]), "bytes": b"\xff", "array": bytearray(b"x"), "slice": slice(1, 2),
    }, {}
    yield "numpy", {"state_dict": sd, "best": numpy.float64(0.5), "curve": numpy.arange(3.0), "rng": numpy.random.get_state()}, {}
    yield "random", {"state_dict": sd, "rng": random.getstate(), "torch": torch.get_rng_state()}, {}
    yield "sparse-beside", {"state_dict": sd, "graph": torch.eye(3).to_sparse()}, {}
    yield "lightning", {
        "state_dict": state(net, "model."), "hyper_parameters": Config(lr=0.1), "callbacks": {"x": Mode.TRAIN},
        "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [schedule.state_dict()],
    }, {}


def keys_beside(net):
    sd, other = net.state_dict(), network(1)
    yield "student", {"state_dict": {**state(net, "student."), **state(other, "teacher.")}}, {"key": "state_dict.student"}
    yield "teacher", {"state_dict": {**state(other, "student."), **state(net, "teacher.")}}, {"key": "state_dict.teacher"}
    yield "ema", {"model": other.state_dict(), "model_ema": sd}, {"key": "model_ema"}
    yield "moco", {"state_dict": {
        **state(net, "module.encoder_q."), **state(other, "module.encoder_k."),
        "module.queue": torch.zeros(1, 1).expand(128, 4096), "module.queue_ptr": torch.zeros(1, dtype=torch.long),
    }}, {"key": "state_dict.module.encoder_q"}
    yield "weighted-loss", {"state_dict": {**state(net, "model."), "criterion.weight": torch.ones(10)}}, {}
    yield "metrics", {"state_dict": {
        **state(net, "net."), "train_acc.tp": torch.ones(10), "val_metrics.Accuracy.total": torch.ones(1),
        "confmat.confmat": torch.zeros(10, 10, dtype=torch.long),
    }}, {}
    yield "flat", {**sd, "epoch": 3, "class_to_idx": {"cat": 0}, "name": "x", "none": None}, {}
    yield "averaged", {**state(net, "module."), "n_averaged": torch.tensor(3)}, {}
    yield "ema-counters", {**state(net, "ema_model."), "initted": torch.tensor(True), "step": torch.tensor(5)}, {}
    counted = collections.OrderedDict(sd)
    for key in [k for k in sd if k.endswith("conv.weight")]:
        counted[key[: -len("weight")] + "total_ops"] = torch.zeros(1, dtype=torch.float64)
        counted[key[: -len("weight")] + "total_params"] = torch.zeros(1, dtype=torch.float64)
    yield "operations", counted, {}
    yield "compiled-block", {k.replace("inception3a.", "inception3a._orig_mod."): v for k, v in sd.items()}, {}
    yield "compiled-each", {
        "net." + k.replace(".", "._orig_mod.", 1): v for k, v in state(net, "").items()}, {}
    yield "checkpointed", {k.replace("branch2.0.", "branch2.0._checkpoint_wrapped_module."): v for k, v in sd.items()}, {}
    yield "sharded", {k.replace("inception4a.", "_fsdp_wrapped_module.inception4a._fsdp_wrapped_module."): v for k, v in sd.items()}, {}
    yield "second-head-by-key", {**state(net, "model."), "head.weight": torch.zeros(5, 1024), "head.bias": torch.zeros(5)}, {"key": "model"}
    yield "logits-head-by-key", {"sd": {**state(net, "a.b."), "head.weight": torch.zeros(5, 10)}}, {"key": "sd.a.b"}
    yield "flat-head-by-key", {**sd, "classifier.weight": torch.zeros(5, 1024)}, {"key": "."}


def other_heads(net):
    sd = net.state_dict()
    bare = {k: v for k, v in sd.items() if not k.startswith("aux")}
    sequential = collections.OrderedDict(bare)
    for key, value in sd.items():
        if key.startswith("aux"):
            sequential[key.replace("fc2.", "fc2.1.")] = value
    yield "aux-sequential", sequential, {}
    yield "aux-single", {k: v for k, v in sd.items() if not k.startswith("aux2")}, {}
    yield "aux-short", {k: v for k, v in sd.items() if k != "aux1.fc1.bias"}, {}
    yield "aux-other-shape", {**sd, "aux2.fc1.weight": torch.zeros(1, 1).expand(7, 5)}, {}


def device(net):
    """As a TPU's tensors are saved: NumPy arrays in the pickle."""
    class OnDevice:
        def __init__(self, tensor):
            self.tensor = tensor

        def __reduce__(self):
            array = self.tensor.contiguous()
            array = (array.float() if array.dtype == torch.bfloat16 else array).numpy()
            return torch._utils._rebuild_device_tensor_from_numpy, (array, self.tensor.dtype, "xla:0", False)

    return {key: OnDevice(value.clone()) for key, value in net.state_dict().items()}


def save(folder, name, value, **how):
    torch.save(value, os.path.join(folder, name + ".pth"), **how)


def main(folder):
    net = network()
    bare = network(aux=False)
    expected = {}
    groups = [whole_modules, objects_beside, keys_beside, other_heads]
    for name, value, options in [case for group in groups for case in group(net)]:
        for suffix, how in variants(name).items():
            save(folder, name + suffix, value, **how)
            expected[name + suffix] = {"options": options}
    save(folder, "whole-without-aux", bare)
    expected["whole-without-aux"] = {"options": {}, "aux": False}
    save(folder, "tpu", device(net))
    expected["tpu"] = {"options": {}}
    for name, case in expected.items():
        without = name.startswith("aux-") or not case.get("aux", True)
        case["main"] = listed(bare if not case.get("aux", True) else net)
        case["auxFits"] = not without
    json.dump(expected, sys.stdout)


def variants(name):
    """Whole modules and objects in both containers and several protocols, the rest once."""
    if name in ("whole", "whole-in-object", "keywords", "python", "own-dict"):
        return {
            "": {}, ".legacy": {"_use_new_zipfile_serialization": False},
            ".protocol4": {"pickle_protocol": 4}, ".protocol5": {"pickle_protocol": 5},
        }
    return {"": {}}


main(sys.argv[1])
