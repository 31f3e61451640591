#!/usr/bin/env python3
"""State dicts that PyTorch saves, and whether files of ours are as good: `save-oracle.py make|check DIR`.

`make` writes CASE.zip.pth and CASE.legacy.pth, and prints their names. `check` loads every FILE.ours.pth
beside the FILE.pth that PyTorch wrote, and fails unless they hold the same, bit for bit. Any torch
since 1.0 can check, so nothing here is younger than that without being asked for.
"""

import ctypes
import sys
from collections import OrderedDict
from pathlib import Path

import torch

try:
    from torchvision.models import googlenet
except Exception:  # the newest torch is tested without it
    googlenet = None

CAREFULLY = {"weights_only": True} if hasattr(torch, "_weights_only_unpickler") else {}


# ---------------------------------------------------------------- make


@torch.no_grad()
def network(aux_logits):
    """The state dict of torchvision's GoogLeNet, every tensor of it random."""
    model = googlenet(weights=None, aux_logits=aux_logits, init_weights=False, num_classes=7)
    for tensor in model.state_dict().values():
        tensor.copy_(torch.randint(1 << 40, ()) if tensor.dtype == torch.int64 else torch.randn(tensor.shape))
    return model.state_dict()


TYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex128 complex64".split()
NEW_TYPES = (
    "uint64 uint32 uint16 complex32 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2".split()
)
"""Types without a storage class; torch cannot read its own legacy streams of them."""

IS_NEWER = hasattr(torch, "uint16")


def random_bits(name):
    """A tensor of a type, out of random bits."""
    if name == "bool":
        return torch.rand(2, 8) < 0.5
    return torch.randint(256, (2, 16), dtype=torch.uint8).view(getattr(torch, name))


def views():
    """What looks into memory in other ways than row by row, and memory that several look into."""
    block = torch.randn(24)
    return OrderedDict(
        whole=block,
        matrix=block.view(4, 6),
        transposed=block.view(4, 6).t(),
        steps=block.view(4, 6)[::2, 1::2],
        behind=block.narrow(0, 7, 5),
        channels_last=torch.randn(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        expanded=torch.randn(2, 1).expand(2, 5),
        scalar=torch.tensor(2.5),
        nothing=torch.empty(3, 0, 2),
        far=torch.empty(0, 1 << 33, 1 << 11),
        ones=torch.ones(1, 1, 1, 1, 1),
        again=block,
    )


def newer():
    """What the oldest torch does not know."""
    state = OrderedDict((name, random_bits(name)) for name in NEW_TYPES)
    state["conjugate"] = torch.randn(3, dtype=torch.complex64).conj()
    return state


def many():
    """Beyond all that fits one byte or one batch: entries, memo numbers, storages, modules, texts."""
    keys = ["", "ключ", "ключ.😀", "new\nline", "é" * 70000] + ["layer.%d.weight" % index for index in range(9000)]
    state = OrderedDict((key, torch.tensor([index])) for index, key in enumerate(keys))
    state._metadata = OrderedDict(("in " + key, {"version": index % 300}) for index, key in enumerate(keys))
    return state


def batch(count):
    """One batch holds 1000 entries."""
    return OrderedDict(("k%d" % index, torch.tensor(index)) for index in range(count))


def cases(legacy):
    found = {
        "types": OrderedDict((name, random_bits(name)) for name in TYPES),
        "views": views(),
        "many": many(),
        "empty": batch(0),
        "single": batch(1),
        "batch": batch(1000),
        "batch-and-one": batch(1001),
    }
    if IS_NEWER and not legacy:
        found["newer"] = newer()
    if googlenet is not None:
        found.update({"googlenet": network(False), "googlenet-aux": network(True)})
    return found


def make(folder):
    for suffix, legacy in ((".zip", False), (".legacy", True)):
        for name, state in cases(legacy).items():
            # A buffer, so that the top folder is not named after the file.
            with open(str(folder / (name + suffix + ".pth")), "wb") as stream:
                torch.save(state, stream, _use_new_zipfile_serialization=not legacy)
            print(name + suffix)


# ---------------------------------------------------------------- check


def load(path):
    return torch.load(str(path), map_location="cpu", **CAREFULLY)


def bits(tensor):
    resolved = tensor.resolve_conj() if hasattr(tensor, "resolve_conj") else tensor
    flat = resolved.contiguous()
    return ctypes.string_at(flat.data_ptr(), flat.numel() * flat.element_size()) if flat.numel() else b""


def storage_of(tensor):
    return tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage()


def describe(state):
    """All that a state dict is: keys in order, tensors, who shares memory with whom, versions of modules."""
    owners = {}
    rows = []
    for key, tensor in state.items():
        storage = storage_of(tensor)
        owner = owners.setdefault(storage.data_ptr(), key) if storage.data_ptr() else key
        where = (tuple(tensor.shape), tensor.stride(), tensor.storage_offset(), len(storage), owner)
        rows.append((key, str(tensor.dtype), where, tensor.requires_grad, bits(tensor)))
    metadata = getattr(state, "_metadata", None)
    return type(state), rows, metadata and list(metadata.items())


def check(folder):
    for ours in sorted(folder.glob("*.ours.pth")):
        name = ours.name[: -len(".ours.pth")]
        if name.startswith("newer") and not IS_NEWER:
            continue
        state = load(ours)
        assert describe(state) == describe(load(folder / (name + ".pth"))), name
        if name.startswith("googlenet") and googlenet is not None:
            model = googlenet(weights=None, aux_logits="aux" in name, init_weights=False, num_classes=7)
            model.load_state_dict(state, strict=True)
        print(name)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](Path(sys.argv[2]))
