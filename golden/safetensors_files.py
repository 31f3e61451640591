"""safetensors files: by the reference library, by hand, and what that library says of broken ones.

Needs the Python package `safetensors` beside torch.
"""

import json
import random
import struct

import safetensors
import safetensors.torch
import torch

from files import HAND_MADE, contiguous_bytes, gzipped, sha256
from small import ODD_KEYS, tiny, types
from truth import one_nan

FOLDER = "safetensors"
WRITER = f"safetensors {safetensors.__version__}"

# The names of the types, and how many bytes each takes. torch 1.13 lacks some.
TYPES = {
    "BOOL": ("bool", 1),
    "U8": ("uint8", 1),
    "I8": ("int8", 1),
    "F8_E5M2": ("float8_e5m2", 1),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E8M0": ("float8_e8m0fnu", 1),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 1),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 1),
    "I16": ("int16", 2),
    "U16": ("uint16", 2),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I32": ("int32", 4),
    "U32": ("uint32", 4),
    "F32": ("float32", 4),
    "C64": ("complex64", 8),
    "F64": ("float64", 8),
    "I64": ("int64", 8),
    "U64": ("uint64", 8),
}

# ---------------------------------------------------------------- truth


def truth_of(data, note=None):
    """What the reference library finds in a file, and what torch makes of it where it has the type."""
    records = {}
    for key, found in safetensors.deserialize(data):
        name, _ = TYPES[found["dtype"]]
        records[key] = {"dtype": name, "shape": found["shape"], "sha256": sha256(bytes(found["data"]))}
        dtype = getattr(torch, name, None)
        if dtype is not None and not dtype.is_complex and len(found["data"]) > 0:
            values = torch.frombuffer(found["data"], dtype=dtype).float()
            records[key]["float32_sha256"] = sha256(contiguous_bytes(one_nan(values)))
    return {"tensors": dict(sorted(records.items())), **({"note": note} if note else {})}


def verdict(data):
    """`accepts`, or the first line of the refusal."""
    try:
        safetensors.deserialize(data)
        return "accepts"
    except Exception as error:
        return str(error).splitlines()[0][:160]


# ---------------------------------------------------------------- sound files


def every_type():
    """One tensor of each type, with the extremes of its range."""
    buffers = {name: bytearray(b"".join(bits.to_bytes(width, "little") for bits in patterns)) for name, width, patterns in types()}
    for name, _ in TYPES.values():
        if name.startswith("float8_"):
            buffers[name] = bytearray(range(256))
        buffers.setdefault(name, bytearray(range(1, 81)))
    arrays = {name: (torch.frombuffer(buffers[name], dtype=torch.uint8), size) for name, size in TYPES.values()}
    specs = {
        f"a {name}": safetensors.TensorSpec(dtype=name, shape=[array.numel() // size], data_ptr=array.data_ptr(), data_len=array.numel())
        for name, (array, size) in arrays.items()
    }
    return bytes(safetensors.serialize(specs))


def shapes():
    sizes = {"scalar": (), "one": (1,), "matrix": (2, 3), "ones": (1, 1, 1, 1), "empty": (0,), "empty-3d": (2, 0, 3)}
    tensors = {name: torch.arange(1.0, 1 + max(1, torch.Size(size).numel())) for name, size in sizes.items()}
    return {name: tensors[name][: torch.Size(size).numel()].reshape(size).clone() for name, size in sizes.items()}


def sound():
    """`(name, bytes, writer, note)`."""
    save = safetensors.torch.save
    state = dict(tiny().state_dict())
    yield "types.safetensors", every_type(), WRITER, None
    yield "shapes.safetensors", save(shapes()), WRITER, None
    yield "state-dict.safetensors", save(state), WRITER, None
    yield "state-dict.safetensors.gz", gzipped(save(state)), WRITER, None
    yield "metadata.safetensors", save(state, {"format": "pt"}), WRITER, "with __metadata__"
    odd = {key: torch.tensor([float(index)]) for index, key in enumerate(ODD_KEYS)}
    yield "keys-odd.safetensors", save(odd), WRITER, None
    yield "nothing.safetensors", save({}), WRITER, "no tensors"
    spaced = json.dumps({"b": entry("F32", [1], 4, 8), "a": entry("F32", [1], 0, 4)}, indent=1).encode()
    yield "unordered.safetensors", framed(spaced, bytes(range(8))), HAND_MADE, "spaces, no padding, another order than the data's"
    brace = header(a=entry("U8", [1], 0, 1)).ljust(0x7B)
    yield "brace.safetensors", framed(brace, b"x"), HAND_MADE, "its length makes it start with a brace"


# ---------------------------------------------------------------- broken files


def framed(text, data=b"", length=None):
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def header(**tensors):
    return json.dumps(tensors, separators=(",", ":")).encode()


def entry(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def one(dtype, shape, start, end):
    return header(a=entry(dtype, shape, start, end))


GOOD = '{"dtype":"U8","shape":[2],"data_offsets":[0,2]}'


def text_files():
    """`(name, header as text, codes, why)`, each before two bytes of data."""
    corrupt = ["corrupt"]
    yield "twice", f'{{"a":{GOOD},"a":{GOOD}}}', corrupt, "a name twice; the reference library takes the last"
    yield "twice-escaped", f'{{"a":{GOOD},"\\u0061":{GOOD}}}', corrupt, "a name twice, once escaped; the reference library takes the last"
    yield "field-twice", '{"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}}', corrupt, "a field twice"
    yield "metadata-twice", f'{{"__metadata__":{{}},"__metadata__":{{}},"a":{GOOD}}}', corrupt, "metadata twice"
    yield "metadata-number", f'{{"__metadata__":{{"a":1}},"a":{GOOD}}}', corrupt, "metadata that is no text"
    yield "metadata-list", f'{{"__metadata__":["a"],"a":{GOOD}}}', corrupt, "metadata that is a list"
    yield "trailing", f'{{"a":{GOOD}}}x', corrupt, "something after the object"
    yield "cut-json", f'{{"a":{GOOD}', corrupt, "an object that does not end"
    yield "cut-string", '{"a', corrupt, "a string that does not end"
    yield "comma", f'{{"a":{GOOD},}}', corrupt, "a comma too many"
    yield "control", f'{{"a\n":{GOOD}}}', corrupt, "a control character in a string"
    yield "escape", f'{{"\\x61":{GOOD}}}', corrupt, "an escape that JSON lacks"
    yield "surrogate", f'{{"\\ud800":{GOOD}}}', corrupt, "half of a surrogate pair"
    yield "not-a-number", '{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,2]}}', corrupt, "NaN"
    yield "leading-zero", '{"a":{"dtype":"U8","shape":[02],"data_offsets":[0,2]}}', corrupt, "a number with a leading zero"
    yield "fraction", '{"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}}', corrupt, "a size that is no whole number"
    yield "exponent", '{"a":{"dtype":"U8","shape":[2e0],"data_offsets":[0,2]}}', corrupt, "a size with an exponent"
    yield "minus-zero", '{"a":{"dtype":"U8","shape":[2],"data_offsets":[-0,2]}}', corrupt, "an offset of minus zero"
    yield "negative", '{"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}}', corrupt, "a negative size"
    yield "text-size", '{"a":{"dtype":"U8","shape":["2"],"data_offsets":[0,2]}}', corrupt, "a size as text"
    yield "three-offsets", '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2,2]}}', corrupt, "three offsets"
    yield "no-dtype", '{"a":{"shape":[2],"data_offsets":[0,2]}}', corrupt, "no dtype"
    yield "no-shape", '{"a":{"dtype":"U8","data_offsets":[0,2]}}', corrupt, "no shape"
    yield "no-offsets", '{"a":{"dtype":"U8","shape":[2]}}', corrupt, "no data_offsets"
    yield "lowercase", '{"a":{"dtype":"u8","shape":[2],"data_offsets":[0,2]}}', corrupt, "a dtype in small letters"
    yield "dtype-list", '{"a":{"dtype":["U8"],"shape":[2],"data_offsets":[0,2]}}', corrupt, "a dtype that is a list"
    yield "entry-list", '{"a":["U8",[2],[0,2]]}', corrupt, "an entry as a list, which the reference library happens to take"
    yield "entry-null", '{"a":null}', corrupt, "an entry that is null"
    yield "deep", '{"a":' + "[" * 200 + "]" * 200 + "}", ["limit", "corrupt"], "200 lists in each other"
    yield "long-number", '{"a":{"dtype":"U8","shape":[' + "9" * 5000 + '],"data_offsets":[0,2]}}', corrupt, "5000 digits"
    dims = ",".join(["1"] * 65)
    yield "65-dims", f'{{"a":{{"dtype":"U8","shape":[2,{dims}],"data_offsets":[0,2]}}}}', corrupt, "66 dimensions, more than PyTorch has; the reference library does not ask"


def broken():
    """`(name, bytes, codes, why)`."""
    corrupt = ["corrupt"]
    for name, text, codes, why in text_files():
        yield name, framed(text.encode("utf-8", "surrogatepass"), b"ab"), codes, why
    yield "packed-float4", framed(one("F4", [4], 0, 2), b"ab"), ["unsupported"], "a type of half a byte, which the reference library has"
    yield "list", framed(b'[{"a":1}]', b"ab"), ["unsupported-format"], "a header that is a list"
    yield "leading-space", framed(b" " + one("U8", [2], 0, 2), b"ab"), ["unsupported-format"], "a space first, which the format forbids and the reference library takes"
    yield "not-utf8", framed(b'{"\xff":{}}', b"ab"), corrupt, "a header that is no UTF-8"
    yield "hole-first", framed(one("U8", [1], 1, 2), b"ab"), corrupt, "a hole before the first tensor"
    hole = {"a": entry("U8", [1], 0, 1), "b": entry("U8", [1], 2, 3)}
    yield "hole", framed(header(**hole), b"abc"), corrupt, "a hole between two tensors"
    overlap = {"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}
    yield "overlap", framed(header(**overlap), b"abc"), corrupt, "two tensors that overlap"
    same = {"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 0, 2)}
    yield "same-place", framed(header(**same), b"ab"), corrupt, "two tensors in one place"
    yield "backwards", framed(one("U8", [2], 2, 0), b"ab"), corrupt, "an end before its start"
    yield "too-long", framed(one("F32", [1], 0, 8), bytes(8)), corrupt, "more bytes than the shape takes"
    yield "too-short", framed(one("F32", [3], 0, 8), bytes(8)), corrupt, "fewer bytes than the shape takes"
    yield "overflow", framed(one("U8", [2**32, 2**32, 0], 0, 0)), corrupt, "sizes whose product overflows, times zero"
    yield "overflow-wraps", framed(one("F32", [2**62, 1], 0, 0)), corrupt, "a size that wraps around to zero bytes"
    yield "2e53", framed(one("U8", [0, 2**53 + 1], 0, 0)), corrupt, "a size that JavaScript cannot hold; the reference library can"
    yield "bytes-after", framed(one("U8", [2], 0, 2), b"abc"), corrupt, "a byte after the last tensor"
    yield "only-bytes", framed(b"{}", b"a"), corrupt, "bytes and no tensor"
    yield "cut-data", framed(one("U8", [2], 0, 2), b"a"), ["truncated"], "the last byte is missing"
    yield "cut-all-data", framed(one("U8", [2], 0, 2)), ["truncated"], "all data are missing"
    yield "cut-header", framed(one("U8", [2], 0, 2))[:20], ["truncated"], "cut in the header"
    yield "header-beyond", framed(b"{}", b"", 1000), ["truncated"], "a header longer than the file"
    yield "header-huge", framed(b"{}", b"", 100_000_001), ["limit"], "a header beyond the reference library's bound"
    yield "header-endless", framed(b"{}", b"", 2**63), ["unsupported-format", "limit"], "a length of 2^63"
    yield "header-empty", framed(b"", b"{}"), ["corrupt", "unsupported-format"], "a header of no bytes"
    names = {str(random.Random(7).random()) + "x" * 5000: entry("U8", [2], 0, 1)}
    yield "long-name", framed(header(**names), b"ab"), corrupt, "a long name in an error"


# ---------------------------------------------------------------- writing


def generate(manifest):
    """Write the folder, and what the reference library finds in each file or says against it."""
    manifest.begin(FOLDER + "/")
    for name, data, writer, note in sound():
        inner = data if writer == HAND_MADE or not name.endswith(".gz") else safetensors.torch.save(dict(tiny().state_dict()))
        manifest.add(f"{FOLDER}/{name}", data, truth_of(inner, note), writer)
    for name, data, codes, why in broken():
        truth = {"refused": codes if len(codes) > 1 else codes[0], "safetensors": verdict(data), "why": why}
        manifest.add(f"{FOLDER}/broken-{name}.safetensors", data, truth, HAND_MADE)
