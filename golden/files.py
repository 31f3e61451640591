"""Writing files whose bytes depend on their content alone, and recording what is in them."""

import contextlib
import ctypes
import gzip
import hashlib
import io
import json
from pathlib import Path

import torch

TORCH = ".".join(torch.__version__.split("+")[0].split("a")[0].split(".")[:2])
"""The running torch as `major.minor`, for example `1.13`."""

HAND_MADE = "hand-made"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def saved(value, legacy=False, protocol=2):
    """The bytes `torch.save` writes for `value`: a zip archive, or the stream of before torch 1.6."""
    buffer = io.BytesIO()
    with steady_storage_keys() if legacy else contextlib.nullcontext():
        torch.save(value, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


@contextlib.contextmanager
def steady_storage_keys():
    """Number the storages of a legacy stream instead of naming them by their addresses.

    torch makes a key with `str(address)`. The numbers count down, so that the storages
    lie in another order than the pickle names them in, as addresses may do as well.
    """
    keys = {}

    class Key(str):
        def __new__(cls, value):
            if not isinstance(value, int):
                return str(value)
            return keys.setdefault(value, f"{94000000016384 - 64 * len(keys)}")

    torch.serialization.str = Key
    try:
        yield
    finally:
        del torch.serialization.str


def gzipped(data):
    """`gzip -9 -n`: neither a time nor a name in the header."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as stream:
        stream.write(data)
    return buffer.getvalue()


def contiguous_bytes(tensor):
    """The elements of `tensor` in row-major order, little-endian, as one bytes object."""
    flat = tensor.detach().resolve_conj().resolve_neg().contiguous()
    return ctypes.string_at(flat.data_ptr(), flat.numel() * flat.element_size()) if flat.numel() else b""


class Manifest:
    """`manifest.json`: for every file its size, its hash, its writer and what is in it.

    A run replaces the entries of the sections it generates and keeps all others, so
    that two versions of torch can each write their own part.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = self.folder / "manifest.json"
        self.files = json.loads(self.path.read_text())["files"] if self.path.exists() else {}

    def begin(self, *prefixes):
        """Forget the files of a section, on disk as well, before it is written anew."""
        for name in [name for name in self.files if name.startswith(prefixes)]:
            del self.files[name]
            (self.folder / name).unlink(missing_ok=True)

    def add(self, name, data, truth, writer=None):
        """Write `data` to the file `name` and record it together with its truth."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.files[name] = {"bytes": len(data), "sha256": sha256(data), "writer": writer or f"torch {torch.__version__}", **truth}

    def save(self):
        document = {"format": 1, "files": dict(sorted(self.files.items()))}
        self.path.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n")
