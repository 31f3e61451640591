"""Pickles, zip archives and legacy streams, put together by hand: for what no writer would write."""

import struct
import zlib
from dataclasses import dataclass

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
TENSOR = "torch._utils", "_rebuild_tensor_v2"

# ---------------------------------------------------------------- pickle opcodes

PROTO2 = b"\x80\x02"
MARK, STOP, NONE, TRUE, FALSE = b"(", b".", b"N", b"\x88", b"\x89"
EMPTY_DICT, EMPTY_LIST, EMPTY_TUPLE, TUPLE = b"}", b"]", b")", b"t"
SETITEM, SETITEMS, APPEND, APPENDS = b"s", b"u", b"a", b"e"
REDUCE, BUILD, NEWOBJ, OBJ, STACK_GLOBAL, PERSISTENT = b"R", b"b", b"\x81", b"o", b"\x93", b"Q"


def pickle(*parts):
    return PROTO2 + b"".join(parts) + STOP


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def old_text(value):
    """The str of Python 2."""
    data = value.encode()
    return b"U" + bytes([len(data)]) + data


def number(value):
    """An int in its shortest form, or a float."""
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def put(index):
    return b"q" + bytes([index])


def get(index):
    return b"h" + bytes([index])


def sequence(*parts):
    """A tuple of parts that are pickled already."""
    return MARK + b"".join(parts) + TUPLE


def listing(*parts):
    return EMPTY_LIST + MARK + b"".join(parts) + APPENDS


def mapping(items, string=text):
    """A dict with strings for keys."""
    return EMPTY_DICT + MARK + b"".join(string(key) + value for key, value in items.items()) + SETITEMS


def call(module, attribute, *arguments):
    return name(module, attribute) + sequence(*arguments) + REDUCE


def storage(numel, key="0", kind="FloatStorage", location="cpu", view=None, string=text, module="torch"):
    """A persistent id; the legacy one, which has a sixth field, if `view` is given."""
    tail = () if view is None else (view,)
    fields = (string("storage"), name(module, kind), string(key), string(location), number(numel), *tail)
    return sequence(*fields) + PERSISTENT


def tensor(storage_pickle, size, stride, offset=0, hooks=None):
    """A call of `_rebuild_tensor_v2`; sizes and strides are ints, or parts that are pickled already."""
    dims = [sequence(*(part if isinstance(part, bytes) else number(part) for part in dims)) for dims in (size, stride)]
    hooks = hooks or call("collections", "OrderedDict")
    return call(*TENSOR, storage_pickle, number(offset), *dims, FALSE, hooks)


# ---------------------------------------------------------------- zip


@dataclass
class Entry:
    """One entry of a zip archive. The fields that can be left out follow from the data."""

    name: str
    data: bytes
    deflate: bool = False
    crc: int = None
    packed: bytes = None
    size: int = None
    flags: int = 0
    hidden: bool = False
    same_as: int = None

    def __post_init__(self):
        if self.packed is None:
            self.packed = deflated(self.data) if self.deflate else self.data
        if self.size is None:
            self.size = len(self.data)
        if self.crc is None:
            self.crc = zlib.crc32(self.data)

    def common(self):
        """The fields that local and central header share."""
        method = 8 if self.deflate else 0
        date = 0x21  # 1980-01-01
        sizes = (self.crc, len(self.packed), min(self.size, 0xFFFFFFFF), len(self.name.encode()))
        return struct.pack("<HHHHHIIIH", 20, self.flags, method, 0, date, *sizes)


def deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def zipped(entries):
    """A zip archive without zip64. `same_as` points an entry at the local header of another."""
    body, offsets, directory = b"", [], b""
    for entry in entries:
        offsets.append(len(body) if entry.same_as is None else offsets[entry.same_as])
        if entry.same_as is None:
            body += b"PK\x03\x04" + entry.common() + struct.pack("<H", 0) + entry.name.encode() + entry.packed
    for entry, offset in zip(entries, offsets):
        tail = struct.pack("<HHHHII", 0, 0, 0, 0, 0, offset)
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + entry.common() + tail + entry.name.encode()
    count = len(entries)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


def archive(data_pkl, storages=(), folder="archive", extra=()):
    """The entries of a torch archive: the pickle, its storages, the version."""
    entries = [Entry(f"{folder}/data.pkl", data_pkl)]
    entries += [Entry(f"{folder}/data/{index}", data) for index, data in enumerate(storages)]
    return [*entries, Entry(f"{folder}/version", b"3\n"), *extra]


# ---------------------------------------------------------------- legacy


def legacy_head(little_endian=TRUE):
    sizes = mapping({"short": number(2), "int": number(4), "long": number(4)})
    system = {"protocol_version": number(1001), "little_endian": little_endian, "type_sizes": sizes}
    return [pickle(number(LEGACY_MAGIC)), pickle(number(1001)), pickle(mapping(system))]


def legacy(value_pickle, storages=(), head=None, numels=None, string=text):
    """A legacy stream over float32 storages with the keys 0, 1, …"""
    keys = pickle(listing(*(string(str(index)) for index in range(len(storages)))))
    numels = numels or [len(data) // 4 for data in storages]
    tail = [struct.pack("<q", numel) + data for numel, data in zip(numels, storages)]
    return b"".join([*(head or legacy_head()), value_pickle, keys, *tail])
