"""What torch reads in a file: every tensor, by its path, and what its careful loader says."""

import io
import multiprocessing
import re
import resource
import warnings

import torch

from files import contiguous_bytes, sha256

MEMORY = 16 << 30
SECONDS = 30


def load(data, **options):
    """`torch.load` of bytes, on the CPU. Without `weights_only` it is for files of our own alone."""
    return torch.load(io.BytesIO(data), map_location="cpu", **options)


def tensors_of(value):
    """The tensors in `value`, as `{path: record}`.

    A path is the keys joined by dots; an index of a list or tuple is a number; a bare tensor is `.`.
    """
    return {".".join(path) if path else ".": tensor_record(tensor) for path, tensor in walk(value)}


def walk(value, path=(), above=()):
    """Every tensor that `value` reaches through dicts, lists and tuples, with its path. Cycles end."""
    if isinstance(value, torch.Tensor):
        yield path, value
    if id(value) in above:
        return
    inside = (*above, id(value))
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, (*path, str(key)), inside)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from walk(item, (*path, str(index)), inside)


def tensor_record(tensor):
    """Type, shape and the hash of the bytes; the hash of its float32 where it is of real numbers."""
    tensor = tensor.detach()
    record = {"dtype": str(tensor.dtype).split(".")[1], "shape": list(tensor.shape)}
    if tensor.is_quantized:
        record["sha256"] = sha256(contiguous_bytes(tensor.int_repr()))
        record["dequantized_sha256"] = sha256(contiguous_bytes(tensor.dequantize().float()))
        return record
    record["sha256"] = sha256(contiguous_bytes(tensor))
    if not tensor.dtype.is_complex and "_x2" not in record["dtype"]:
        record["float32_sha256"] = sha256(contiguous_bytes(one_nan(tensor.float())))
    return record


def one_nan(tensor):
    """`tensor` with every NaN as 7fc00000: conversions keep, quieten or drop the rest of its bits."""
    return torch.where(tensor.isnan(), torch.tensor(float("nan")), tensor)


def careful_verdict(data):
    """What `torch.load(weights_only=True)` says: `accepts`, or the first line of its refusal.

    It runs in a process of its own, with bounds on memory and time: some files bring torch down.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=load_carefully, args=(data, sender))
    process.start()
    sender.close()
    verdict = "runs out of time"
    if receiver.poll(SECONDS):
        try:
            verdict = receiver.recv()
        except EOFError:
            process.join()
            verdict = f"crashes (exit {process.exitcode})"
    process.kill()
    process.join()
    return verdict


def load_carefully(data, sender):
    """In the child process: load, and tell what happened."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    try:
        load(data, weights_only=True)
        sender.send("accepts")
    except Exception as error:
        sender.send(f"{type(error).__name__}: {reason(str(error))}")


def reason(message):
    """The telling line of an error's message, without advice, colours and addresses of memory."""
    blocked = re.search("Trying to load unsupported GLOBAL.*", message)
    told = blocked.group() if blocked else message.split("WeightsUnpickler error:")[-1]
    line = next(iter(told.strip().splitlines()), "")
    line = re.split(r"\. Please use|\. This is an internal", line)[0]
    return re.sub(r"0x[0-9a-f]{6,}", "0x...", line)[:160]
