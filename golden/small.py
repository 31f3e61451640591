"""Small files with one feature each, as the running torch saves them, and what it reads back."""

import argparse
import collections
import contextlib
import gzip
import os
import struct
import tempfile
import zipfile
from io import BytesIO

import torch

import assemble
from assemble import Entry, call, legacy, legacy_head, mapping, number, old_text, pickle, sequence, storage, tensor
from files import HAND_MADE, TORCH, gzipped, saved
from truth import careful_verdict, load, tensors_of

FOLDER = f"torch-{TORCH}"

# ---------------------------------------------------------------- types

INTEGERS = {"uint8": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint16": 2, "uint32": 4, "uint64": 8}
FLOATS = {  # bits of: one, minus zero, infinity, NaN, least subnormal, greatest, least normal
    "float16": (2, 0x3C00, 0x8000, 0x7C00, 0x7E01, 1, 0x7BFF, 0x0400),
    "bfloat16": (2, 0x3F80, 0x8000, 0x7F80, 0x7FC1, 1, 0x7F7F, 0x0080),
    "float32": (4, 0x3F800000, 1 << 31, 0x7F800000, 0x7FC00001, 1, 0x7F7FFFFF, 0x00800000),
    "float64": (8, 0x3FF0 << 48, 1 << 63, 0x7FF0 << 48, (0x7FF8 << 48) + 1, 1, (0x7FF0 << 48) - 1, 1 << 52),
}
COMPLEX = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}
SIGNED = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def from_bits(patterns, width, dtype):
    """A tensor of `dtype` from unsigned bit patterns of `width` bytes."""
    data = b"".join(pattern.to_bytes(width, "little") for pattern in patterns)
    return torch.frombuffer(bytearray(data), dtype=SIGNED[width]).clone().view(dtype)


def float_patterns(name):
    width, *patterns = FLOATS[name]
    sign = 1 << (8 * width - 1)
    third = {2: 0x3555 if name == "float16" else 0x3EAB, 4: 0x3EAAAAAB, 8: 0x3FD5555555555555}[width]
    return [0, third, third | sign, *patterns, *(pattern | sign for pattern in patterns[2:])]


def types():
    """One tensor of each type, with the extremes of its range."""
    for name, width in INTEGERS.items():
        top = 1 << (8 * width - 1)
        patterns = [0, 1, 2, 42, 100, top - 1, top, top + 1, 2 * top - 2, 2 * top - 1]
        yield name, width, patterns
    for name in FLOATS:
        yield name, FLOATS[name][0], float_patterns(name)
    for name, part in COMPLEX.items():
        patterns = float_patterns(part)
        yield name, FLOATS[part][0], patterns + patterns[::-1]
    for name in sorted(vars(torch)):
        if name.startswith(("float8_", "float4_")):
            yield name, 1, range(256)
    yield "bool", 1, [0, 1, 1, 0, 1]


def type_cases():
    return {f"dtype-{name}": from_bits(bits, width, getattr(torch, name)) for name, width, bits in types() if hasattr(torch, name)}


def quantized_cases():
    values = torch.arange(-12, 12).view(4, 6) / 8
    scales, zeros = torch.tensor([0.125, 0.25, 0.5, 0.0625], dtype=torch.float64), torch.tensor([0, 1, -2, 3])
    return {
        **{
            f"quantized-{kind}": torch.quantize_per_tensor(values, 0.0625, 10, getattr(torch, kind))
            for kind in ("qint8", "quint8", "qint32")
        },
        "quantized-per-channel": torch.quantize_per_channel(values, scales, zeros, 0, torch.qint8),
        "quantized-per-channel-axis1": torch.quantize_per_channel(values.t().contiguous(), scales, zeros, 1, torch.qint8),
    }


# ---------------------------------------------------------------- layouts


def stride_cases():
    block = torch.arange(24, dtype=torch.float32)
    return {
        "stride-transpose": block.view(4, 6).t(),
        "stride-step": block[1::3],
        "stride-step-2d": block.view(4, 6)[::2, 1::2],
        "stride-expand": torch.tensor([[1.0], [2.0]]).expand(2, 5),
        "stride-offset": block.narrow(0, 7, 5),
        "stride-channels-last": block.view(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        "stride-permuted": block.view(2, 3, 4).permute(2, 0, 1),
        "stride-diagonal": block[:16].view(4, 4).diagonal(),
        "shape-scalar": torch.tensor(3.5),
        "shape-empty": torch.empty(0),
        "shape-empty-3d": torch.empty(3, 0, 2, dtype=torch.int64),
        "shape-ones": torch.ones(1, 1, 1, 1, 1, 1),
        "lazy-conj": torch.tensor([1 + 2j, 3 - 4j]).conj(),
        "lazy-neg": torch.tensor([1 + 2j, 3 - 4j]).conj().imag,
    }


def sharing_cases():
    base = torch.arange(12, dtype=torch.float32)
    tied = torch.nn.Linear(3, 3)
    values(tied)
    return {
        "shared-views": {"head": base[:4], "tail": base[4:].view(2, 4), "all": base},
        "shared-tied": collections.OrderedDict(encoder=tied.weight.detach(), decoder=tied.weight.detach(), other=tied.bias.detach()),
        "shared-object": [base, base, {"again": base}],
        "many-storages": {f"t{index:02}": torch.tensor([float(index)]) for index in range(12)},
    }


def parameter_cases():
    tagged = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    tagged.origin = "a python attribute"
    attributed = torch.tensor([3.0, 4.0])
    attributed.origin = "a python attribute"
    return {
        "parameter": torch.nn.Parameter(torch.tensor([[1.0, -1.0]])),
        "parameter-frozen": {"w": torch.nn.Parameter(torch.tensor([5.0]), requires_grad=False)},
        "requires-grad": torch.tensor([1.0, 2.0], requires_grad=True),
        "parameter-with-state": {"w": tagged},
        "tensor-with-state": {"w": attributed},
    }


# ---------------------------------------------------------------- checkpoints


def values(module):
    """Plain numbers for the parameters of a module."""
    with torch.no_grad():
        for index, parameter in enumerate(module.parameters()):
            parameter.copy_(torch.arange(parameter.numel()).view_as(parameter) / 8 - index)
    return module


def tiny():
    return values(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, bias=False), torch.nn.BatchNorm2d(2), torch.nn.Linear(2, 2)))


def prefixed(prefix):
    return collections.OrderedDict((prefix + key, value) for key, value in tiny().state_dict().items())


def training():
    """What the ImageNet example of PyTorch saves after an epoch, and a few numbers more."""
    model = tiny()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for step in range(2):
        optimizer.zero_grad()
        sum((parameter * (step + 1)).sum() for parameter in model.parameters()).backward()
        optimizer.step()
    return {
        "epoch": 90,
        "arch": "googlenet",
        "state_dict": model.state_dict(),
        "best_acc1": torch.tensor(69.75),
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(data="imagenet", batch_size=256, lr=0.1, gpu=None, resume=""),
        "lr": 0.1,
        "seed": 2**63 + 5,
        "negative": [-1, -128, -129, -(2**31), -(2**40), -(2**63), -(2**70)],
    }


def checkpoint_cases():
    state = tiny().state_dict()
    ema = collections.OrderedDict((key, value + 1) for key, value in state.items())
    return {
        "state-dict": state,
        "training": training(),
        "prefix-module": prefixed("module."),
        "prefix-orig-mod": prefixed("_orig_mod."),
        "prefix-both": prefixed("module._orig_mod."),
        "prefix-both-reversed": prefixed("_orig_mod.module."),
        "two-candidates": {"model": state, "model_ema": ema},
        "nested-deep": {"a": {"b": state}},
        "mixed-containers": {
            "list": [torch.tensor(1.0), (torch.tensor(2.0), {"deep": [torch.tensor(3)]})],
            5: torch.tensor(4),
            (1, 2): torch.tensor(5),
        },
        "keys-odd": {key: torch.tensor([float(index)]) for index, key in enumerate(ODD_KEYS)},
        "values-plain": plain_values(),
        "only-list": [torch.tensor([1.0]), torch.tensor([2])],
        "only-tuple": (torch.tensor([1.0]), torch.tensor([2])),
        "only-number": 7,
        "empty-dict": {},
    }


ODD_KEYS = (
    "__proto__",
    "constructor",
    "toString",
    "set",
    "get",
    "size",
    "hasOwnProperty",
    "length",
    "a.b",
    "",
    " ",
    "привет",
    "😀",
    "new\nline",
    "x" * 300,
)


def plain_values():
    """What lies beside the weights in real checkpoints, one of each kind."""
    return {
        "none": None, "true": True, "false": False, "float": [0.0, -0.0, 1e-300, float("inf"), float("nan")],
        "bytes": b"\x00\xff", "complex": 1 + 2j, "set": {3}, "size": torch.Size([2, 3]), "dtype": torch.float16,
        "device": torch.device("cpu"), "counter": collections.Counter("aab"), "default": collections.defaultdict(list, x=[1]),
        "ordered": collections.OrderedDict(b=1, a=2), "tensor": torch.tensor([1.0]),
    }  # fmt: skip


def refused_cases():
    """Tensors torch can save that have no plain storage behind them."""
    eye = torch.eye(3)
    return {"sparse-coo": eye.to_sparse(), "sparse-csr": eye.to_sparse_csr(), "meta": torch.empty(2, 3, device="meta")}


# ---------------------------------------------------------------- containers


@contextlib.contextmanager
def pretending_cuda():
    """Have `torch.save` note down `cuda:0` as the place of every storage."""
    registry = torch.serialization._package_registry
    before = list(registry)
    torch.serialization.register_package(0, lambda _storage: "cuda:0", lambda _storage, _location: None)
    try:
        yield
    finally:
        registry[:] = before


def saved_as_file(value, stem):
    """Saved to a path: the archive's top folder is then the file's stem."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, stem + ".pth")
        torch.save(value, path)
        with open(path, "rb") as stream:
            return stream.read()


def entries_of(data):
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def rezipped(data, change=lambda name, content: content, deflate=False):
    """A saved archive, written anew by hand."""
    return assemble.zipped([Entry(name, change(name, content), deflate) for name, content in entries_of(data)])


def big_endian(dtype_widths):
    """Tensors as a big-endian machine would save them. `dtype_widths` is `{dtype: bytes of one number}`."""
    value = {name: torch.arange(1, 6).to(getattr(torch, name)) / (1 if "int" in name else 8) for name in dtype_widths}
    value = {name: tensor.to(getattr(torch, name)) for name, tensor in value.items()}
    widths = list(dtype_widths.values())

    def swap(name, content):
        if name.endswith("/byteorder"):
            return b"big"
        if "/data/" not in name:
            return content
        width = widths[int(name.rsplit("/", 1)[1])]
        return b"".join(content[at : at + width][::-1] for at in range(0, len(content), width))

    return value, rezipped(saved(value), swap)


BIG_ENDIAN = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float64": 8,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "uint8": 1,
    "complex64": 4,
    "complex128": 8,
}
FLOATS_1_TO_6 = struct.pack("<6f", 1, 2, 3, 4, 5, 6)


def python2():
    """A state dict the way Python 2 pickled it: byte strings, and an OrderedDict made from a list of pairs."""
    weight = tensor(
        storage(6, view=assemble.NONE, string=old_text), (2, 3), (3, 1), hooks=call("collections", "OrderedDict", assemble.EMPTY_LIST)
    )
    pair = assemble.listing(old_text("fc.weight"), weight)
    metadata = mapping({"_metadata": mapping({"": mapping({"version": number(1)}, old_text)}, old_text)}, old_text)
    body = call("collections", "OrderedDict", assemble.listing(pair)) + metadata + assemble.BUILD
    return legacy(pickle(body), [FLOATS_1_TO_6], string=old_text)


def storage_view():
    """A storage that is a part of another one, which files of before torch 0.4 hold."""
    view = sequence(assemble.text("view"), number(2), number(3))
    return legacy(pickle(tensor(storage(6, view=view), (3,), (1,))), [FLOATS_1_TO_6])


def hand_made():
    """Valid files no torch at hand writes: `{name: (bytes, note)}`."""
    one = {"w": torch.arange(6, dtype=torch.float32).view(2, 3)}
    zip_file, stream = saved(one), saved(one, legacy=True)
    cuda_type = b"ctorch.cuda\nFloatStorage\n"
    matrix = pickle(mapping({"w": tensor(storage(6, view=assemble.NONE), (2, 3), (3, 1))}))
    return {
        "legacy-python2.pth": (python2(), "strings are SHORT_BINSTRING; OrderedDict is called with a list of pairs"),
        "legacy-storage-view.pth": (storage_view(), "the persistent id names a view of a storage: offset 2, 3 elements"),
        "legacy-big-endian.pth": (
            legacy(matrix, [FLOATS_1_TO_6], legacy_head(assemble.FALSE)),
            "sys_info says little_endian False; torch ignores that",
        ),
        "legacy-cuda-type.pth": (stream.replace(b"ctorch\nFloatStorage\n", cuda_type), "storage type torch.cuda.FloatStorage"),
        "zip-deflated.pth": (rezipped(zip_file, deflate=True), "every entry deflated"),
        "zip-plain.pth": (rezipped(zip_file), "no alignment, no zip64 records"),
        "zip-comment.pth": (
            rezipped(zip_file)[:-2] + struct.pack("<H", 12) + b"PK\x05\x06comment!",
            "a comment that holds an end record's signature",
        ),
    }


# ---------------------------------------------------------------- writing


def cases():
    groups = (type_cases, quantized_cases, stride_cases, sharing_cases, parameter_cases, checkpoint_cases, refused_cases)
    return {name: value for group in groups for name, value in group().items()}


def truth_of(data, note=None):
    """What torch reads in `data`: its tensors, or none where they are of a kind that stays opaque."""
    value = load(data, **FREELY)
    note = {"note": note} if note else {}
    if isinstance(value, torch.Tensor) and (value.layout is not torch.strided or value.is_meta):
        return {"refused": None, "torch": careful_verdict(data), "why": "no dense tensor: read as an opaque value", **note}
    return {"tensors": tensors_of(value), "torch": careful_verdict(data), **note}


FREELY = {"weights_only": False}


def generate(manifest):
    """Write the folder of the running torch."""
    manifest.begin(FOLDER + "/")
    for name, value in cases().items():
        for suffix, is_legacy in ((".pth", False), (".legacy.pth", True)):
            add_saved(manifest, name + suffix, value, is_legacy)
    for protocol in range(1, 6):
        for suffix, is_legacy in ((".pth", False), (".legacy.pth", True)):
            add_saved(manifest, f"protocol-{protocol}{suffix}", tiny().state_dict(), is_legacy, protocol)
    add_containers(manifest)
    for name, (data, note) in hand_made().items():
        add(manifest, name, data, note, HAND_MADE)


def add_containers(manifest):
    """Archives under other names, other places, other byte orders."""
    state = tiny().state_dict()
    with pretending_cuda():
        add(manifest, "location-cuda.pth", saved(state), "every storage says cuda:0")
        add(manifest, "location-cuda.legacy.pth", saved(state, legacy=True), "every storage says cuda:0")
    add(manifest, "zip-folder.pth", saved_as_file(state, "my model-v1.0"), "the top folder is `my model-v1.0`")
    add(manifest, "gzip.pth.gz", gzipped(saved(state)), gz=True)
    add(manifest, "gzip.legacy.pth.gz", gzipped(saved(state, legacy=True)), gz=True)
    value, data = big_endian(BIG_ENDIAN)
    if tensors_of(load(data, **FREELY)) == tensors_of(value):
        add(manifest, "zip-big-endian.pth", data, "byteorder says big", HAND_MADE)
    else:
        print(f"{FOLDER}: this torch does not swap the bytes of big-endian archives")


def add_saved(manifest, name, value, is_legacy, protocol=2):
    """Save `value` and add it, unless this torch cannot save it or cannot read it back."""
    try:
        data = saved(value, is_legacy, protocol)
        truth_of(data)
    except Exception as error:
        print(f"{FOLDER}/{name}: left out, {type(error).__name__}: {str(error).splitlines()[0]}")
        return
    add(manifest, name, data)


def add(manifest, name, data, note=None, writer=None, gz=False):
    manifest.add(f"{FOLDER}/{name}", data, truth_of(gzip.decompress(data) if gz else data, note), writer)
