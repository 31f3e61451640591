"""Files a reader must refuse, and a few strange ones it may take: broken, malicious, foreign.

Nothing here is ever loaded but by `torch.load(weights_only=True)` in a process of its own, and
what the malicious pickles would run is harmless.

Each case is `(name, bytes, codes, why)`: `codes` are the errors a reader may raise, the best
one first; None among them means that it may as well accept the file.
"""

import gzip
import io
import lzma
import pickle as python_pickle
import struct
import tarfile
import warnings
import zlib
from unittest import mock

import torch

import assemble
from assemble import (
    APPEND,
    APPENDS,
    BUILD,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    MARK,
    NEWOBJ,
    NONE,
    OBJ,
    PERSISTENT,
    REDUCE,
    STACK_GLOBAL,
    STOP,
    TRUE,
    TUPLE,
    Entry,
    archive,
    call,
    get,
    legacy,
    legacy_head,
    listing,
    mapping,
    name,
    number,
    pickle,
    put,
    sequence,
    storage,
    tensor,
    text,
    zipped,
)
from files import HAND_MADE, contiguous_bytes, gzipped, saved
from small import entries_of, tiny
from truth import careful_verdict, load, tensors_of

FOLDER = "hostile"
SIX = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
COMMAND = text("echo this must never run")
GOOD = {"zip": tensor(storage(6), (2, 3), (3, 1)), "legacy": tensor(storage(6, view=NONE), (2, 3), (3, 1))}
MATRIX = pickle(mapping({"w": GOOD["zip"]}))


# ---------------------------------------------------------------- helpers


def in_zip(label, body, codes, why, storages=(SIX,)):
    """A pickle's body in a zip archive."""
    data = body if body[:1] == b"\x80" else pickle(body)
    return label + ".zip.pth", zipped(archive(data, storages)), codes, why


def in_legacy(label, body, codes, why, storages=(SIX,), **options):
    """A pickle's body in a legacy stream."""
    data = body if body[:1] == b"\x80" else pickle(body)
    return label + ".legacy.pth", legacy(data, storages, **options), codes, why


def in_both(label, body, codes, why):
    """The same body, beside a good tensor, in both containers."""
    for kind, write in (("zip", in_zip), ("legacy", in_legacy)):
        yield write(label, mapping({"w": GOOD[kind], "x": body}), codes, why)


def short(value):
    """SHORT_BINUNICODE and MEMOIZE of protocol 4."""
    return b"\x8c" + bytes([len(value)]) + value.encode() + b"\x94"


def flipped(data, at, mask=1):
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


# ---------------------------------------------------------------- globals

CALLS = {
    "os-system": ("os", "system", COMMAND),
    "posix-system": ("posix", "system", COMMAND),
    "builtins-eval": ("builtins", "eval", text("1+1")),
    "builtins-exec": ("builtins", "exec", text("pass")),
    "python2-eval": ("__builtin__", "eval", text("1+1")),
    "subprocess-popen": ("subprocess", "Popen", text("true")),
    "builtins-getattr": ("builtins", "getattr", text("x"), text("join")),
    "numpy-scalar": ("numpy.core.multiarray", "scalar", text("f8"), text("12345678")),
    "torch-hub": ("torch.hub", "load", text("nobody/nothing"), text("x")),
    "torch-load": ("torch", "load", text("nothing.pth")),
    "javascript-constructor": ("constructor", "constructor", text("1")),
    "javascript-proto": ("__proto__", "toString"),
}

# Names that mean nothing here and are no danger in Python: what they make stays opaque.
OPAQUE_CALLS = ["numpy-scalar", "javascript-constructor", "javascript-proto"]


def global_calls():
    for label, arguments in CALLS.items():
        codes = [None] if label in OPAQUE_CALLS else ["unsafe-global"]
        yield from in_both(f"global-{label}", call(*arguments), codes, f"calls {arguments[0]}.{arguments[1]}")


def global_opcodes():
    system, arguments = name("os", "system"), sequence(COMMAND)
    names = EMPTY_LIST + short("os") + APPEND + short("system") + APPEND
    memoised = MARK + names + get(0) + get(1) + STACK_GLOBAL + sequence(short("true")) + REDUCE + TUPLE
    refuse = ["unsafe-global"]
    also_unsupported = ["unsafe-global", "unsupported"]
    yield from in_both("opcode-global-alone", system, refuse, "names os.system, calls nothing")
    yield from in_both("opcode-newobj", system + arguments + NEWOBJ, refuse, "NEWOBJ of os.system")
    yield from in_both("opcode-newobj-ex", system + arguments + EMPTY_DICT + b"\x92", also_unsupported, "NEWOBJ_EX of os.system")
    yield from in_both("opcode-obj", MARK + system + COMMAND + OBJ, also_unsupported, "OBJ of os.system")
    yield from in_both("opcode-inst", MARK + COMMAND + b"ios\nsystem\n", also_unsupported, "INST of os.system")
    yield from in_both("opcode-ext1", b"\x82\x01", ["unsupported", "unsafe-global"], "EXT1: a registry outside the file")
    yield from in_both("opcode-ext4", b"\x84\x01\x00\x00\x00", ["unsupported", "unsafe-global"], "EXT4: a registry outside the file")
    for label, body in {
        "stack-global": short("os") + short("system") + STACK_GLOBAL + sequence(short("true")) + REDUCE,
        "stack-global-memo": memoised,
        "stack-global-dotted": short("torch") + short("serialization.os.system") + STACK_GLOBAL,
        "stack-global-not-text": number(1) + number(2) + STACK_GLOBAL,
    }.items():
        codes = ["corrupt", "unsafe-global"] if label.endswith("text") else refuse
        for write in (in_zip, in_legacy):
            yield write(f"opcode-{label}", b"\x80\x04" + body + STOP, codes, "STACK_GLOBAL")


def global_places():
    """Malicious pickles where a legacy stream holds harmless ones."""
    bad = pickle(call("os", "system", COMMAND))
    good = legacy(pickle(mapping({"w": GOOD["legacy"]})), [SIX])
    for index, part in enumerate(("magic", "protocol", "sys-info")):
        head = [*legacy_head()[:index], bad, *legacy_head()[index + 1 :]]
        codes = ["unsafe-global", "unsupported-format", "corrupt"] if part == "magic" else ["unsafe-global", "corrupt"]
        yield (
            f"global-in-{part}.legacy.pth",
            good.replace(b"".join(legacy_head()), b"".join(head)),
            codes,
            f"the {part} pickle calls os.system",
        )
    yield (
        "global-in-keys.legacy.pth",
        good.replace(pickle(listing(text("0"))), bad),
        ["unsafe-global", "corrupt"],
        "the pickle of keys calls os.system",
    )
    yield in_zip(
        "global-as-storage-type",
        tensor(storage(6, kind="system", module="os"), (6,), (1,)),
        ["unsafe-global"],
        "os.system as a type of storage",
    )
    yield in_zip(
        "global-as-hooks",
        tensor(storage(6), (6,), (1,), hooks=call("os", "system", COMMAND)),
        ["unsafe-global"],
        "os.system among the arguments of a tensor",
    )


def builds():
    rebuild = name(*assemble.TENSOR)
    pollution = mapping({"__proto__": mapping({"polluted": TRUE}), "constructor": mapping({"prototype": TRUE})})
    ordered = call("collections", "OrderedDict")
    bad = ["corrupt", "unsupported", "unsafe-global"]
    yield from in_both(
        "build-dict", mapping({"a": number(1)}) + mapping({"__dict__": mapping({"b": number(2)})}) + BUILD, bad, "BUILD of a plain dict"
    )
    yield from in_both("build-function", rebuild + mapping({"__name__": text("x")}) + BUILD, bad, "BUILD of a function")
    yield from in_both("build-class", name("collections", "OrderedDict") + mapping({"update": NONE}) + BUILD, bad, "BUILD of a class")
    yield from in_both("build-proto", ordered + pollution + BUILD, [None, *bad], "`__proto__` in the state of an OrderedDict")
    yield from in_both("keys-proto", pollution, [None], "`__proto__` as a key of a dict, with a dict for its value")
    yield from in_both("reduce-text", text("x") + EMPTY_TUPLE + REDUCE, ["corrupt", "unsafe-global"], "REDUCE of a string")
    yield from in_both("reduce-function-result", ordered + EMPTY_TUPLE + REDUCE, ["corrupt", "unsafe-global"], "REDUCE of what REDUCE gave")


# ---------------------------------------------------------------- damage


def damaged():
    """Real files, cut and bent."""
    state = tiny().state_dict()
    archived, stream = saved(state), saved(state, legacy=True)
    weight = contiguous_bytes(state["0.weight"])
    in_archive, in_stream = archived.index(weight), stream.index(weight)
    directory = archived.index(b"PK\x01\x02")
    cut = ["truncated", "corrupt"]
    for label, data in {
        "zip-cut-middle": archived[: len(archived) // 2],
        "zip-cut-first-header": archived[:20],
        "zip-cut-directory": archived[: directory + 100],
        "zip-cut-end-record": archived[:-5],
        "legacy-cut-magic": stream[:10],
        "legacy-cut-head": stream[:60],
        "legacy-cut-pickle": stream[:400],
        "legacy-cut-storage-header": stream[: in_stream - 3],
        "legacy-cut-storage": stream[: in_stream + 30],
        "legacy-cut-before-storages": stream[: in_stream - 8],
        "legacy-cut-last-byte": stream[:-1],
    }.items():
        yield label + ".pth", data, cut, "cut off"
    packed = gzipped(archived)
    yield "gzip-cut.pth.gz", packed[:-40], cut, "cut off"
    yield ("zip-flipped-weight.pth", flipped(archived, in_archive + 5), ["corrupt"], "one bit of a weight differs from the checksum's")
    yield (
        "zip-flipped-pickle.pth",
        flipped(archived, archived.index(b"0.weight"), 2),
        ["corrupt"],
        "one bit of data.pkl differs from the checksum's",
    )
    yield (
        "zip-wrong-crc.pth",
        flipped(archived, archived.index(b"data/0", directory) - 46 - 8 + 16),
        ["corrupt"],
        "the directory gives another checksum",
    )
    yield "gzip-wrong-crc.pth.gz", flipped(packed, len(packed) - 7), ["corrupt"], "gzip's checksum does not fit"


# ---------------------------------------------------------------- counts


def bombs():
    zeros = bytes(100 << 20)
    packed = assemble.deflated(zeros)
    values = pickle(mapping({"w": tensor(storage(256), (256,), (1,))}))
    giant = pickle(mapping({"w": tensor(storage(2**30 - 1), (2**30 - 1,), (1,))}))
    lying = Entry("archive/data/0", bytes(1024), deflate=True, packed=packed)
    loud = Entry("archive/data/0", b"", deflate=True, packed=packed, size=2**32 - 4, crc=0)
    stored = Entry("archive/data/0", SIX, size=2**32 - 4)
    yield ("bomb-deflate-lying.pth", zipped(archive(values, extra=[lying])), ["corrupt", "limit"], "says 1 KB, inflates to 100 MB")
    yield ("bomb-deflate-loud.pth", zipped(archive(giant, extra=[loud])), ["limit", "corrupt"], "says 4 GB, inflates to 100 MB")
    yield (
        "bomb-stored.pth",
        zipped(archive(giant, extra=[stored])),
        ["corrupt", "limit", "truncated"],
        "a stored entry says 4 GB and has 24 bytes",
    )
    pickle_bomb = Entry("archive/data.pkl", b"", deflate=True, packed=packed, size=len(zeros), crc=zlib.crc32(zeros))
    yield "bomb-pickle.pth", zipped([pickle_bomb]), ["corrupt", "limit"], "data.pkl inflates to 100 MB of zeros"
    yield "bomb-gzip.pth.gz", gzipped(zeros), ["unsupported-format", "limit", "corrupt"], "inflates to 100 MB of zeros"


NUMELS = {"2e40": 2**40, "2e53": 2**53 + 1, "2e62": 2**62, "negative": -1}


def counts():
    big = ["truncated", "corrupt", "limit"]
    for label, numel in NUMELS.items():
        body = tensor(storage(numel, view=NONE), (6,), (1,))
        yield in_legacy(f"numel-{label}", body, big, f"{numel} elements, in the pickle and before the data", numels=[numel])
        yield in_legacy(f"numel-header-{label}", GOOD["legacy"], big, f"{numel} elements, before the data only", numels=[numel])
        yield in_zip(f"numel-{label}", tensor(storage(numel), (6,), (1,)), big, f"{numel} elements in the pickle")
    yield in_legacy(
        "numel-header-differs", GOOD["legacy"], ["corrupt", "truncated"], "6 elements in the pickle, 5 before the data", numels=[5]
    )
    yield in_zip("numel-entry-short", tensor(storage(6), (6,), (1,)), ["corrupt", "truncated"], "6 elements, 8 bytes", [SIX[:8]])
    yield in_zip("numel-entry-long", tensor(storage(2), (2,), (1,)), [None, "corrupt"], "2 elements, 24 bytes")
    trailing = legacy(pickle(GOOD["legacy"]), [SIX]) + b"trailing"
    yield "storage-trailing-bytes.legacy.pth", trailing, [None, "corrupt"], "bytes after the last storage"


SHAPES = {  # label: size, stride, offset, what is wrong
    "beyond-storage": ((100,), (1,), 0, "100 elements over a storage of 6"),
    "offset-beyond": ((2,), (1,), 5, "the second element lies behind the storage"),
    "stride-beyond": ((2, 2), (5, 1), 0, "the last element lies behind the storage"),
    "size-negative": ((-1,), (1,), 0, "a negative size"),
    "sizes-negative": ((-2, -3), (3, 1), 0, "negative sizes, whose product is 6"),
    "stride-negative": ((3,), (-1,), 2, "a negative stride"),
    "offset-negative": ((2,), (1,), -2, "a negative offset"),
    "size-overflow": ((2**40, 2**40), (2**40, 1), 0, "the product of sizes overflows 64 bits"),
    "size-overflow-to-zero": ((2**32, 2**32), (0, 0), 0, "the product of sizes is 0 modulo 2**64"),
    "offset-overflow": ((2,), (1,), 2**63 - 1, "offset and extent overflow 64 bits"),
    "stride-overflow": ((3,), (2**62,), 0, "the extent overflows 64 bits"),
    "expand": ((2**40,), (0,), 0, "2**40 copies of one element"),
    "size-float": ((number(2.0),), (1,), 0, "a size of 2.0"),
    "size-text": ((text("2"),), (1,), 0, "a size of '2'"),
    "size-none": ((NONE,), (1,), 0, "a size of None"),
    "size-true": ((TRUE,), (1,), 0, "a size of True"),
    "size-big": ((2**70,), (1,), 0, "a size beyond 64 bits"),
    "more-strides": ((2,), (3, 1), 0, "one size, two strides"),
    "fewer-strides": ((2, 3), (1,), 0, "two sizes, one stride"),
    "many-dims": ((1,) * 5000, (1,) * 5000, 0, "5000 dimensions"),
}


def shapes():
    for label, (size, stride, offset, why) in SHAPES.items():
        codes = {"expand": ["limit", "corrupt"], "many-dims": ["limit", "corrupt", None], "size-true": ["corrupt", None]}.get(
            label, ["corrupt", "limit"]
        )
        for write, view in ((in_zip, None), (in_legacy, NONE)):
            yield write(f"shape-{label}", mapping({"w": tensor(storage(6, view=view), size, stride, offset)}), codes, why)


def storages():
    bad = ["corrupt", "unsupported"]
    for label, body, why in (
        ("form", sequence(text("nonsense"), number(1)) + PERSISTENT, "a persistent id of an unknown kind"),
        ("text", text("0") + PERSISTENT, "a persistent id that is a string"),
        ("number", number(0) + PERSISTENT, "a persistent id that is a number"),
        ("short", sequence(text("storage"), name("torch", "FloatStorage")) + PERSISTENT, "a persistent id of two fields"),
        ("line", b"P0\n", "PERSID, the form of protocol 0"),
    ):
        yield from in_both(f"persistent-{label}", body, bad, why)
    numbered = sequence(text("storage"), name("torch", "FloatStorage"), number(0), text("cpu"), number(6)) + PERSISTENT
    yield in_zip("persistent-key-number", tensor(numbered, (6,), (1,)), [None, *bad], "a key that is an int")
    yield in_zip("storage-missing", GOOD["zip"], ["corrupt", "truncated"], "there is no entry data/0", [])
    yield in_zip("storage-key-path", tensor(storage(6, key="../data.pkl"), (6,), (1,)), ["corrupt"], "a key that leaves its folder")
    yield in_legacy(
        "storage-missing", tensor(storage(6, key="7", view=NONE), (6,), (1,)), ["corrupt", "truncated"], "the key is not among those listed"
    )
    yield in_zip(
        "storage-unknown-type", tensor(storage(6, kind="QuuxStorage"), (6,), (1,)), ["unsupported"], "torch.QuuxStorage"
    )
    yield in_zip(
        "tensor-of-nothing",
        call(*assemble.TENSOR, NONE, number(0), sequence(number(6)), sequence(number(1)), TRUE, NONE),
        ["corrupt"],
        "None for a storage",
    )
    yield in_zip("tensor-without-arguments", call(*assemble.TENSOR), ["corrupt"], "no arguments at all")
    two = mapping({"w": GOOD["zip"], "i": tensor(storage(3, kind="LongStorage"), (3,), (1,))})
    yield in_zip("storage-two-types", two, ["corrupt", None], "one storage as floats and as ints")


# ---------------------------------------------------------------- pickles


def laughs(innermost):
    """Thirty lists, each of which holds the one before it twice."""
    body = innermost + put(0)
    for level in range(1, 31):
        body = EMPTY_LIST + body + APPEND + get(level - 1) + APPEND + put(level)
    return body


def structures():
    cyclic_list = EMPTY_LIST + put(0) + get(0) + APPEND
    cyclic_dict = EMPTY_DICT + put(0) + text("self") + get(0) + b"s"
    yield in_zip("deep-tuples", EMPTY_TUPLE + b"\x85" * 100_000, ["limit", None], "100,000 tuples, one in another")
    yield in_zip("deep-lists", EMPTY_LIST * 100_000 + APPEND * 99_999, ["limit", None], "100,000 lists, one in another")
    yield in_zip("deep-dicts", (EMPTY_DICT + text("")) * 30_000 + NONE + b"s" * 30_000, ["limit", None], "30,000 dicts, one in another")
    yield from in_both("cyclic-list", cyclic_list, [None], "a list that holds itself")
    yield from in_both("cyclic-dict", cyclic_dict, [None], "a dict that holds itself")
    yield in_zip("laughs", laughs(EMPTY_LIST), [None, "limit"], "2**30 paths to one empty list")
    yield in_zip("laughs-tensor", laughs(GOOD["zip"]), ["limit", None], "2**30 paths to one tensor")
    yield in_zip("marks", MARK * 250_000 + NONE, ["corrupt", "limit", None], "250,000 marks and no end of them")
    yield in_zip(
        "appends-200k", mapping({"w": GOOD["zip"], "x": EMPTY_LIST + MARK + NONE * 200_000 + APPENDS}), ["limit", None], "a list of 200,000 in one batch, where CPython writes 1,000"
    )
    yield in_zip("tuple-200k", mapping({"w": GOOD["zip"], "x": MARK + NONE * 200_000 + TUPLE}), [None], "a tuple of 200,000")


def opcodes():
    """Pickles that end in the middle, or make no sense."""
    bad, cut = ["corrupt"], ["truncated", "corrupt", "limit"]
    for label, body, codes, why in (
        ("get-unknown", get(5), bad, "GET of a memo that was never put"),
        ("underflow", REDUCE, bad, "REDUCE of an empty stack"),
        ("underflow-mark", APPENDS, bad, "APPENDS without a mark"),
        ("empty", b"", bad, "STOP of an empty stack"),
        ("two-left", NONE + NONE, [None, "corrupt"], "two values on the stack at STOP"),
        ("unknown", b"\xff", ["corrupt", "unsupported"], "an opcode that does not exist"),
        ("odd-items", EMPTY_DICT + MARK + NONE + b"u", bad, "SETITEMS of one item"),
        ("setitem-on-list", EMPTY_LIST + NONE + NONE + b"s", bad, "SETITEM on a list"),
        ("append-on-dict", EMPTY_DICT + NONE + APPEND, bad, "APPEND on a dict"),
        ("key-is-list", EMPTY_DICT + EMPTY_LIST + NONE + b"s", ["corrupt", "unsupported", None], "a list as a key"),
        ("long1-255", b"\x8a\xff" + bytes(range(255)), [None, "limit", "unsupported"], "an int of 255 bytes"),
        ("long1-empty", b"\x8a\x00", [None], "an int of no bytes, which is 0"),
        ("long4-negative", b"\x8b\xff\xff\xff\xff", ["corrupt", "unsupported"], "LONG4 with a negative length"),
        ("long-text", b"L" + b"7" * 100_000 + b"L\n", ["limit", "corrupt", "unsupported", None], "100,000 digits"),
        ("text-huge", b"X\xff\xff\xff\xff", cut, "BINUNICODE of 4 GB"),
        ("text8-huge", b"\x8d" + struct.pack("<Q", 2**60), [*cut, "unsupported"], "BINUNICODE8 of 2**60 bytes"),
        ("bytes8-huge", b"\x8e" + struct.pack("<Q", 2**60), [*cut, "unsupported"], "BINBYTES8 of 2**60 bytes"),
        ("frame-huge", b"\x95" + struct.pack("<Q", 2**60) + NONE, [None, *cut], "a frame of 2**60 bytes"),
        ("text-not-utf8", b"X\x02\x00\x00\x00\xff\xfe", ["corrupt", None], "a string that is not UTF-8"),
        ("memo-far", NONE + b"r\xff\xff\xff\x7f", [None, "corrupt", "limit"], "a memo index of 2**31 - 1"),
        ("line-endless", b"c" + b"x" * 1000, bad + ["truncated", "unsafe-global"], "a global's name without an end of line"),
        ("float-text", b"Fnot a number\n", ["corrupt", "unsupported"], "FLOAT that is none"),
        ("int-text", b"I1e9\n", ["corrupt", "unsupported"], "INT that is none"),
    ):
        yield in_zip(f"pickle-{label}", body, codes, why)
    yield in_zip("pickle-protocol-6", b"\x80\x06" + NONE + STOP, ["unsupported", "corrupt"], "protocol 6")
    for suffix, data in (
        (".zip.pth", zipped(archive(MATRIX[:-1], [SIX]))),
        (".legacy.pth", b"".join(legacy_head()) + pickle(GOOD["legacy"])[:-1]),
    ):
        yield "pickle-no-stop" + suffix, data, ["truncated", "corrupt"], "no STOP at the end"
    yield "pickle-empty.zip.pth", zipped(archive(b"", [SIX])), ["truncated", "corrupt"], "data.pkl has no bytes"


# ---------------------------------------------------------------- zips


def zips():
    good = archive(MATRIX, [SIX])
    twice = Entry("archive/data/0", struct.pack("<6f", 9, 9, 9, 9, 9, 9))
    shared = pickle(mapping({"a": GOOD["zip"], "b": tensor(storage(6, key="1"), (6,), (1,))}))
    overlap = Entry("archive/data/1", SIX, same_as=1)
    locked = [Entry("archive/data.pkl", MATRIX, flags=1), *good[1:]]
    plain = zipped(good)
    end = len(plain) - 22
    bad = ["corrupt"]
    yield "zip-duplicate-storage.pth", zipped([*good, twice]), bad, "two entries data/0"
    yield ("zip-duplicate-pickle.pth", zipped([*good, Entry("archive/data.pkl", pickle(NONE))]), bad, "two entries data.pkl")
    yield "zip-overlap.pth", zipped(archive(shared, [SIX], extra=[overlap])), bad, "data/1 lies where data/0 does"
    yield (
        "zip-traversal.pth",
        zipped([*good, Entry("../../evil", b"x")]),
        [None, "corrupt"],
        "an entry ../../evil, which nothing refers to",
    )
    yield "zip-encrypted.pth", zipped(locked), ["unsupported", "corrupt"], "an entry says it is encrypted"
    yield (
        "zip-method.pth",
        plain.replace(b"\x14\x00\x00\x00\x00\x00\x00\x00\x21\x00", b"\x14\x00\x00\x00\x0c\x00\x00\x00\x21\x00"),
        ["unsupported", "corrupt"],
        "compressed with bzip2, it says",
    )
    yield "zip-no-pickle.pth", zipped(good[1:]), ["unsupported-format", "corrupt"], "no data.pkl"
    yield (
        "zip-two-folders.pth",
        zipped([*good, *archive(MATRIX, [SIX], folder="other")]),
        ["corrupt", "unsupported-format", None],
        "two folders with a data.pkl",
    )
    yield (
        "zip-no-folder.pth",
        zipped([Entry(entry.name[len("archive/") :], entry.data) for entry in good]),
        ["unsupported-format", "corrupt", None],
        "entries without a top folder",
    )
    yield "zip-of-nothing.pth", zipped([]), ["unsupported-format", "corrupt"], "an archive without entries"
    yield ("zip-local-name.pth", plain.replace(b"archive/data/0", b"archive/data/9", 1), ["corrupt", None], "local and central name differ")
    yield ("zip-count.pth", plain[: end + 8] + struct.pack("<HH", 99, 99) + plain[end + 12 :], bad, "the end record counts 99 entries")
    yield (
        "zip-directory-far.pth",
        plain[: end + 16] + struct.pack("<I", 0x7FFFFFFF) + plain[end + 20 :],
        ["corrupt", "truncated"],
        "the directory lies behind the end",
    )
    yield ("zip-prepended.pth", b"#!/bin/sh\n" + plain, ["corrupt", "unsupported-format", None], "bytes before the archive")
    many = [Entry(f"archive/x{index}", b"") for index in range(1500)]
    yield "zip-many-entries.pth", zipped([*good, *many]), [None, "limit"], "1500 empty entries beside the good ones"


# ---------------------------------------------------------------- other kinds of file


def torchscript():
    """A traced module, without the records that tell where its source lay, and without their hash."""
    left_out = (".debug_pkl", "serialization_id")
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)), buffer)
    return zipped([Entry(label, data) for label, data in entries_of(buffer.getvalue()) if not label.endswith(left_out)])


def whole_module(is_legacy):
    """`torch.save(model)`. The legacy format adds the source of each class: here, a stand-in for it."""
    stand_in = {"getsourcelines": lambda _: (["class Module: ...\n"], 1), "getsourcefile": lambda _: "module.py"}
    with mock.patch.multiple("inspect", **stand_in):
        return saved(torch.nn.Sequential(torch.nn.ReLU()), is_legacy)


def tar(entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for label, data in entries.items():
            info = tarfile.TarInfo(label)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def npy():
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.ljust(117).encode() + b"\n" + SIX


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"1378be20" * 8 + b"\nsize 52147035\n"
ONNX = b"\x08\x08\x12\x07pytorch\x1a\x062.13.0:\x0a\x12\x08main_graph\x42\x04\x0a\x00\x10\x11"
OLD_TAR = {"sys_info": legacy_head()[2], "pickle": pickle(EMPTY_DICT), "storages": pickle(number(0)), "tensors": pickle(number(0))}


def foreign():
    other = ["unsupported-format"]
    vague = ["unsupported-format", "corrupt", "truncated"]
    yield "empty.pth", b"", ["empty"], "no bytes"
    yield ("one-byte.pth", b"\x80", ["truncated", "unsupported-format", "corrupt"], "one byte, which could begin a pickle")
    yield "one-byte-p.pth", b"P", ["truncated", "unsupported-format", "corrupt"], "one byte, which could begin a zip"
    yield "zeros.pth", bytes(4096), vague, "4096 zeros"
    yield "torchscript.pt", torchscript(), other, "TorchScript"
    yield "module.zip.pth", whole_module(False), [None], "a whole module, pickled: its state dict is read"
    yield "module.legacy.pth", whole_module(True), [None], "a whole module, pickled: its state dict is read"
    yield "plain-pickle.pkl", python_pickle.dumps({"w": [1.0, 2.0]}, 4), vague, "a pickle that is not torch's"
    yield "old-torch.tar", tar(OLD_TAR), other, "torch before 0.2"
    yield "tar.tar", tar({"readme.txt": b"hello"}), other, "tar"
    yield "model.onnx", ONNX, other, "ONNX"
    yield "page.html", HTML, other, "an error page"
    yield "page.html.gz", gzipped(HTML), other, "an error page, gzipped"
    yield "data.json", b'{"error": "Not Found"}\n', other, "JSON"
    yield "pointer.pth", LFS, other, "a pointer of git-lfs"
    yield "array.npy", npy(), other, "NumPy"
    yield "arrays.npz", zipped([Entry("arr_0.npy", npy())]), other, "NumPy's archive"
    yield "weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(88), other, "HDF5"
    yield "image.png", png(), other, "PNG"
    yield "note.txt", b"The weights are on the other disk.\n", other, "text"
    yield "state.pth.xz", lzma.compress(zipped(archive(MATRIX, [SIX]))), other, "xz"
    yield "office.docx", zipped([Entry("[Content_Types].xml", b"<Types/>")]), other, "a zip of another kind"
    yield ("twice.pth.gz.gz", gzipped(gzipped(zipped(archive(MATRIX, [SIX])))), ["unsupported-format", "corrupt", None], "gzipped twice")


# ---------------------------------------------------------------- writing

GROUPS = (global_calls, global_opcodes, global_places, builds, damaged, bombs, counts, shapes, storages, structures, opcodes, zips, foreign)
UNWALKABLE = ("deep-", "laughs")


def truth_of(label, data, codes, why):
    """The record of one file. Where a reader may accept it and torch does, the tensors are listed."""
    inner = gzip_or_none(data) if label.endswith(".gz") else data
    verdict = careful_verdict(inner) if inner is not None else "not asked"
    truth = {"refused": codes if len(codes) > 1 else codes[0], "torch": verdict, "why": why}
    if None in codes and verdict == "accepts" and not label.startswith(UNWALKABLE):
        truth["tensors"] = tensors_of(load(inner, weights_only=True))
    return truth


def gzip_or_none(data):
    try:
        return gzip.decompress(data)
    except (EOFError, OSError):
        return None


def generate(manifest):
    """Write the folder, and what the running torch says to each of its files."""
    warnings.simplefilter("ignore")
    manifest.begin(FOLDER + "/")
    for label, data, codes, why in (case for group in GROUPS for case in group()):
        writer = None if label.startswith(("torchscript", "module.")) else HAND_MADE
        manifest.add(f"{FOLDER}/{label}", data, truth_of(label, data, codes, why), writer)
