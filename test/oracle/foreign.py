"""Files of PyTorch's neighbourhood, for foreign.test.ts.

    foreign.py make DIR     writes what the running PyTorch can, and prints the tensors of those that can be read,
                            as JSON: {file: {key: [dtype, shape, values as float]}}
    foreign.py run DIR CODE runs CODE in DIR, and prints the keys of out.pth
"""

import json
import os
import pickle
import sys

import torch
from torch import nn


def arrays():
    """NumPy arrays as PyTorch stores the tensors of a TPU: every type, byte order and layout."""
    import numpy

    for name in "float64 float32 float16 int64 int32 int16 int8 uint8 bool complex64 complex128".split():
        array = numpy.arange(6).reshape(2, 3).astype(name)
        yield name, array, getattr(torch, name)
        yield f"fortran {name}", numpy.asfortranarray(array), getattr(torch, name)
    yield "big-endian", numpy.arange(6.0, dtype=">f4"), torch.float32
    yield "bfloat16", numpy.array([1.0, 1 / 3, -2e30], dtype="f4"), torch.bfloat16
    yield "half of float", numpy.array([1.0, 1 / 3], dtype="f4"), torch.float16
    yield "empty", numpy.zeros((0, 3), dtype="f4"), torch.float32
    yield "number", numpy.array(2.5, dtype="f4"), torch.float32
    yield "transposed", numpy.arange(6.0, dtype="f4").reshape(2, 3).T, torch.float32


class OnDevice:
    def __init__(self, array, dtype):
        self.args = array, dtype, "xla:0", False

    def __reduce__(self):
        return torch._utils._rebuild_device_tensor_from_numpy, self.args


def values(tensor):
    real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return [str(tensor.dtype).split(".")[1], list(tensor.shape), real.double().flatten().tolist()]


def tpu():
    cases = list(arrays())
    value = {name: OnDevice(array, dtype) for name, array, dtype in cases}
    for protocol in (2, 4, 5):
        torch.save(value, f"tpu{protocol}.pth", pickle_protocol=protocol)
    native = [(n, a.astype(a.dtype.newbyteorder("=")), d) for n, a, d in cases]
    truth = {name: values(torch.tensor(array).to(dtype)) for name, array, dtype in native}
    return {f"tpu{protocol}.pth": truth for protocol in (2, 4, 5)}


def newest():
    model = nn.Linear(3, 2)
    import torch.distributed.checkpoint as distributed

    torch.export.save(torch.export.export(model, (torch.zeros(1, 3),)), "program.pt2")
    distributed.save({"model": model.state_dict()}, checkpoint_id="sharded")
    torch.serialization.set_crc32_options(False)
    torch.save(model.state_dict(), "without-checksums.pth")
    torch.serialization.set_crc32_options(True)
    whole = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.PReLU(), nn.LayerNorm(3)))
    whole.register_buffer("kept", torch.ones(2))
    whole.register_buffer("dropped", torch.ones(2), persistent=False)
    torch.save(nn.DataParallel(whole), "whole.pth")
    torch.save(whole, "whole.legacy.pth", _use_new_zipfile_serialization=False)
    sd = {key: values(value) for key, value in whole.state_dict().items()}
    return {
        "without-checksums.pth": {key: values(value) for key, value in model.state_dict().items()},
        "whole.pth": {f"module.{key}": value for key, value in sd.items()},
        "whole.legacy.pth": sd,
    }


def make(folder):
    os.chdir(folder)
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    for protocol in range(6):
        for name, value in {"plain": {"a": [1, 2.5, "x"], "b": (True, None)}, "tensors": model.state_dict()}.items():
            with open(f"{name}{protocol}.pkl", "wb") as file:
                pickle.dump(value, file, protocol=protocol)
    torch.jit.script(model).save("script.pt")
    truth = newest() if hasattr(torch.serialization, "set_crc32_options") else tpu()
    json.dump(truth, sys.stdout)


def run(folder, code):
    os.chdir(folder)
    exec(code, {"torch": torch})
    print("\n".join(sorted(_keys(torch.load("out.pth")))))


def _keys(value, path=""):
    if not isinstance(value, dict):
        return [path[:-1]]
    return [key for name, child in value.items() for key in _keys(child, f"{path}{name}.")]


{"make": make, "run": run}[sys.argv[1]](*sys.argv[2:])
