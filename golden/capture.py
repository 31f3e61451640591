#!/usr/bin/env python3
"""Record what PyTorch computes with a GoogLeNet checkpoint, for `pth2tfjs verify` to compare with.

    python capture.py googlenet-1378be20.pth --images *.jpg --layers -o golden.pth

It runs torchvision's own googlenet on its own preprocessing, and saves the batch, the logits and,
with --layers, what each layer gave. It needs torch 1.13 or newer, torchvision 0.13 or newer, and no
other file of this folder.
"""

import argparse
import difflib
import functools
import glob
import gzip
import hashlib
import io
import os
import re
import shlex
import sys
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import torch
import torchvision
from torchvision.models import GoogLeNet_Weights, googlenet
from torchvision.models.googlenet import BasicConv2d, Inception

OFFICIAL_SHA256 = "1378be20"
OFFICIAL_BYTES = 52147035
OFFICIAL_NAME = "googlenet-1378be20.pth"
IMAGE_SIZE = 224
SMALLEST_SIZE = 15
IMAGES_AT_ONCE = 16
READER_LIMIT = 2**30
"""The most bytes that pth2tfjs reads from one file."""
PRESET = GoogLeNet_Weights.IMAGENET1K_V1.transforms


class CaptureError(Exception):
    """What is wrong and what to do about it, in one line."""


# ---------------------------------------------------------------- checkpoint


def read_checkpoint(path, unsafe=False):
    """What a checkpoint holds, the SHA-256 of its bytes, and their count; both after gunzip."""
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise CaptureError(f"{path}: the gzip data is broken: {error}") from error
    return load(data, path, unsafe), hashlib.sha256(data).hexdigest(), len(data)


def load(data, path, unsafe=False):
    """`torch.load` on the CPU.

    weights_only is asked for because torch before 2.6 leaves it off, and then a checkpoint is a
    program that runs while it loads. It is no perfect guard: torch before 2.6 lets some crafted files
    through, so a checkpoint from a stranger deserves a newer torch.
    """
    if is_torchscript(data):
        raise CaptureError(f"{path}: is a TorchScript archive; save the weights with torch.save(model.state_dict(), file)")
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=not unsafe)
    except Exception as error:  # torch raises whatever its unpickler stumbles over
        raise CaptureError(f"{path}: {refusal(data, error, unsafe)}") from error


def refusal(data, error, unsafe):
    """Why `torch.load` gave up. What weights_only dislikes means nothing where the file is no checkpoint."""
    text = " ".join(str(error).split())
    told = text.split("WeightsUnpickler error: ")[-1]
    reason = re.split(r"\. Please use|, but was not| was not an allowed|, you can|\. This is", told)[0]
    if unsafe or not data.startswith((b"PK", b"\x80")) or not text.startswith("Weights only load failed"):
        return f"torch.load cannot read it ({reason[:300] or type(error).__name__}); is it what torch.save wrote?"
    if "operand" in reason:
        return (
            f"torch {torch.__version__} cannot load it without letting it run code ({reason}, such as plain float numbers "
            "in torch 1.13); use a newer torch, or --unsafe-load if you trust the file"
        )
    return f"holds more than tensors and plain values ({reason}); if you trust it, --unsafe-load lets it run its code"


def is_torchscript(data):
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def network_keys():
    """The keys that every GoogLeNet has; counters and auxiliary heads may be absent."""
    keys = googlenet(weights=None, aux_logits=False, init_weights=False).state_dict()
    return frozenset(key for key in keys if not key.endswith("num_batches_tracked"))


def find_state_dicts(value, wanted):
    """`{name: dict}` for each place that holds most of the network's keys behind some prefix.

    A wrapper puts something before every key, such as `module.`; which it is shows in what
    remains without it. One dict may hold several networks behind different prefixes. What is
    no tensor comes along too, since it has no place in a state dict.
    """
    found = {}
    for path, held in dicts(value, (), {}):
        prefixes = Counter(key[:start] for key in held for start in starts(key) if key[start:] in wanted)
        good = [prefix for prefix, count in prefixes.items() if count >= len(wanted) / 2]
        for prefix in good:
            parts = [*path, prefix[:-1]] if len(good) > 1 and prefix else path
            found[".".join(parts) or "."] = strip(held, prefix)
    return found


def dicts(value, path, seen):
    """Every dict in a saved value, with the keys that lead there; each once."""
    if isinstance(value, torch.nn.Module):
        value = value.state_dict()
    if not isinstance(value, (dict, list, tuple)) or id(value) in seen or len(path) > 16:
        return
    seen[id(value)] = value
    if isinstance(value, dict):
        yield path, {str(key): item for key, item in value.items()}
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from dicts(item, (*path, str(key)), seen)


def starts(key):
    """Where a key's parts start: 0, and after each dot."""
    return [0, *(index + 1 for index, letter in enumerate(key) if letter == ".")]


def strip(held, prefix):
    """Keys without the prefix; those that never had it stay, to be judged as they are."""
    stripped = {key[len(prefix) :]: item for key, item in held.items() if key.startswith(prefix)}
    rest = {key: item for key, item in held.items() if not key.startswith(prefix) and key not in stripped}
    return {**rest, **stripped}


def choose(found, key, path):
    """The state dict that --key names, or the only one."""
    names = ", ".join(f"'{name}'" for name in found)
    if key is not None and key not in found:
        raise CaptureError(f"{path}: no state dict of a GoogLeNet under '{key}'; there are: {names or 'none'}")
    if not found:
        raise CaptureError(f"{path}: holds no state dict of a GoogLeNet; save one with torch.save(model.state_dict(), file)")
    if key is None and len(found) > 1:
        raise CaptureError(f"{path}: holds several state dicts: {names}; choose one with --key")
    return found[key if key is not None else next(iter(found))]


# ---------------------------------------------------------------- network


def build(state, transform_input, path="the checkpoint"):
    """torchvision's GoogLeNet with these weights, in eval mode and float32.

    The auxiliary heads are left out, since eval mode never runs them; `n_averaged` is the counter of
    an averaged model. Beside these the keys must be the network's, all of them and no more.
    """
    state = {key: as_float32(item) for key, item in state.items() if not is_needless(key)}
    head = shape_of(state.get("fc.weight"))
    classes = head[0] if len(head) == 2 else 1000
    model = googlenet(
        weights=None, num_classes=classes, aux_logits=False, transform_input=transform_input, init_weights=False
    )
    widen(model, state)
    check_fit(model.state_dict(), state, path)
    model.load_state_dict({**counters(model), **state})
    return model.eval()


def is_needless(key):
    return key.startswith(("aux1.", "aux2.")) or key == "n_averaged"


def as_float32(item):
    """Floating-point and quantized tensors as float32, everything else as it is."""
    if not isinstance(item, torch.Tensor):
        return item
    tensor = item.dequantize() if item.is_quantized else item.detach()
    return tensor.float() if tensor.is_floating_point() else tensor


def shape_of(item):
    return list(item.shape) if isinstance(item, torch.Tensor) and not item.is_complex() else []


def widen(model, state):
    """Give branch3 the 5x5 kernels of the paper where the weights have them."""
    for name, block in model.named_children():
        if shape_of(state.get(f"{name}.branch3.1.conv.weight"))[2:] != [5, 5]:
            continue
        old = block.branch3[1].conv
        block.branch3[1].conv = torch.nn.Conv2d(old.in_channels, old.out_channels, 5, padding=2, bias=False)


def counters(model):
    """Zeros for `num_batches_tracked`, which torch before 0.4.1 did not save; eval mode ignores it."""
    return {key: value for key, value in model.state_dict().items() if key.endswith("num_batches_tracked")}


def check_fit(expected, state, path):
    """Names what `load_state_dict` would refuse, in one line."""
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"{key} {shape_of(state[key]) or type(state[key]).__name__} instead of {list(tensor.shape)}"
        for key, tensor in expected.items()
        if key in state and (not isinstance(state[key], torch.Tensor) or shape_of(state[key]) != list(tensor.shape))
    ]
    lists = (("missing", missing), ("unexpected", unexpected), ("mismatched", shapes))
    text = "; ".join(f"{len(keys)} {kind} ({shortened(keys)})" for kind, keys in lists if keys)
    if text:
        raise CaptureError(f"{path}: does not fit torchvision's GoogLeNet: {text}")


def pickled_networks(value, seen=None):
    """Every whole GoogLeNet in a saved value, whatever wraps it."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, torch.nn.Module):
        yield from (module for module in value.modules() if type(module).__name__ == "GoogLeNet")
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from pickled_networks(item, seen)


def check_settings(expected, found, path):
    """Refuses a pickled network whose layers compute otherwise than torchvision's, which are the ones that run here."""
    modules = dict(found.named_modules())
    for name, module in expected.named_modules():
        other = modules.get(name)
        for setting in SETTINGS:
            usual, own = getattr(module, setting, None), getattr(other, setting, None)
            if other is not None and isinstance(usual, (int, float, tuple)) and own != usual:
                raise CaptureError(
                    f"{path}: the pickled network is no plain GoogLeNet: {name} has {setting}={own}, where torchvision has "
                    f"{usual}; call capture(model, batch) of this file from your own code, which runs the model itself"
                )


SETTINGS = ("eps", "kernel_size", "stride", "padding", "dilation", "groups", "ceil_mode")
"""What no state dict holds, and what changes the logits."""


def shortened(items, count=4):
    return ", ".join([*items[:count], *([f"and {len(items) - count} more"] if len(items) > count else [])])


def dtypes(state):
    """The floating-point types of the weights that are used, such as `float16`."""
    used = [tensor for key, tensor in state.items() if not is_needless(key) and not key.endswith("num_batches_tracked")]
    return ", ".join(sorted({str(tensor.dtype).split(".")[1] for tensor in used}))


# ---------------------------------------------------------------- forward pass


@torch.no_grad()
def capture(model, batch, layers=False):
    """Run `model` on a normalised float32 NCHW batch: `{"input", "logits"}`, and `"activations"`.

    `layers` is True for every layer of `layer_names`, a list of module names, or False. All tensors
    come back on the CPU, as the modules returned them. Raises CaptureError for a model in training
    mode, unknown names, and values that are infinite or no number.
    """
    training = next((name for name, module in model.named_modules() if module.training), None)
    if training is not None:
        raise CaptureError(f"the model is in training mode{training and f' at {training}'}; call model.eval() first")
    names = resolve_layers(model, layers)
    parts = [forward(model, part, names) for part in batch.split(IMAGES_AT_ONCE)]
    record = {"input": batch.cpu().contiguous(), "logits": torch.cat([logits for logits, _ in parts])}
    if layers is not False:
        record["activations"] = {name: torch.cat([held[name] for _, held in parts]) for name in names}
    check_finite(record)
    return record


def forward(model, batch, names):
    """The logits of a batch, and the outputs of the named modules, in the order of `names`."""
    held = {}

    def hook(name):
        # A copy at once: ReLU overwrites what the BatchNorm before it gave.
        return lambda _module, _inputs, output: held.__setitem__(name, output.detach().float().cpu().clone().contiguous())

    modules = dict(model.named_modules())
    handles = [modules[name].register_forward_hook(hook(name)) for name in names]
    try:
        device = next(model.parameters()).device
        logits = model(batch.to(device)).float().cpu()
    finally:
        for handle in handles:
            handle.remove()
    return logits, held


def layer_names(model):
    """The modules worth comparing, in the order they run: conv blocks, pools, Inception blocks, fc.

    Pools count whatever kind they are, and so does what somebody put in a layer's place under its name.
    """
    kinds = (BasicConv2d, Inception, torch.nn.Linear, *POOLS)
    usual = usual_layers()
    names = []
    for top, block in model.named_children():
        inside = [f"{top}.{name}" for name, module in block.named_modules() if name and isinstance(module, kinds)]
        placed = [name for name in usual if name.startswith(f"{top}.") and name not in inside]
        present = dict(model.named_modules())
        names += [*inside, *(name for name in placed if name in present)]
        names += [top] if isinstance(block, kinds) or top in usual else []
    return [name for name in names if not name.startswith("aux")]


POOLS = tuple(getattr(torch.nn, name) for name in dir(torch.nn) if re.fullmatch(r"\w*Pool2d", name))
"""torch's pools of every kind: average, adaptive, fractional, of a power, and the max-pool."""


@functools.lru_cache
def usual_layers():
    """The names of torchvision's own layers."""
    model = googlenet(weights=None, aux_logits=False, init_weights=False)
    kinds = (BasicConv2d, Inception, torch.nn.MaxPool2d, torch.nn.AdaptiveAvgPool2d, torch.nn.Linear)
    return [name for name, module in model.named_modules() if name and isinstance(module, kinds)]


def resolve_layers(model, layers):
    """Names of modules that the forward pass reaches; see `capture`."""
    if layers is True or layers is False:
        return layer_names(model) if layers else []
    known = [name for name, _ in model.named_modules() if name and not name.startswith("aux")]
    for name in layers:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)
            raise CaptureError(f"there is no layer '{name}'; is it {near[0]}?")
    return list(dict.fromkeys(layers))


def check_finite(record):
    """Values that are no number make a golden file worthless; the first layer is where they arise."""
    named = {"input": record["input"], **record.get("activations", {}), "logits": record["logits"]}
    for name, tensor in named.items():
        if not torch.isfinite(tensor).all():
            raise CaptureError(f"{name} holds values that are infinite or no number; no golden file can be made of them")


def use_device(device, tf32):
    """Checks the device and sets its arithmetic; returns whether TF32 is in use."""
    if device == "cpu":
        return False
    if not torch.cuda.is_available():
        raise CaptureError("--device cuda: torch finds no CUDA device; leave it out to use the CPU")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = False
    return tf32 and torch.cuda.get_device_capability()[0] >= 8


# ---------------------------------------------------------------- input


def expand(pattern):
    """The files of a pattern that the shell has left alone, as on Windows."""
    return [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern)) or [pattern]


def read_images(paths, size):
    """Image files as the network wants them: [n, 3, size, size], and how they were prepared."""
    preset = PRESET(crop_size=size, resize_size=round(size * 256 / 224))
    return torch.stack([preset(read_image(path)) for path in paths]), describe_preset(preset)


def read_image(path):
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise
    except Exception as error:  # decoders raise all sorts of things
        raise CaptureError(f"{path}: cannot be read as an image ({one_line(error)})") from error


def describe_preset(preset):
    return (
        f"PIL RGB, resize {preset.resize_size[0]} {preset.interpolation.value} with antialias, "
        f"centre crop {preset.crop_size[0]}, mean {preset.mean}, std {preset.std}"
    )


def read_input(path, unsafe):
    """A batch that somebody prepared: a tensor, or a dict with one under `input`."""
    value, _, _ = read_checkpoint(path, unsafe)
    tensor = value.get("input") if isinstance(value, dict) else value
    if not isinstance(tensor, torch.Tensor):
        raise CaptureError(f"{path}: holds no tensor, nor a dict with a tensor under 'input'")
    shape = list(tensor.shape)
    if len(shape) != 4 or shape[0] == 0 or shape[1] != 3 or shape[2] != shape[3] or shape[2] < SMALLEST_SIZE:
        raise CaptureError(f"{path}: the input is {shape}; it must be [images, 3, size, size], size {SMALLEST_SIZE} or more")
    return as_float32(tensor).float().contiguous(), f"none: as in {os.path.basename(path)}"


def random_images(count, size, seed):
    """Smooth random fields under a fine grain, normalised; white noise would look all the same."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    fields = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=True)
    pixels = fields + 0.1 * torch.randn(count, 3, size, size, generator=generator)
    preset = PRESET()
    mean, std = (torch.tensor(list(values)).view(1, 3, 1, 1) for values in (preset.mean, preset.std))
    return (pixels.clamp(0, 1) - mean) / std, f"random, seed {seed}; mean {preset.mean}, std {preset.std}"


# ---------------------------------------------------------------- output


def provenance(checkpoint, sha256, transform_input, record, **others):
    """How a record came to be; `others` are `preprocessing`, `images`, and what differs from the usual."""
    return {
        "tool": "capture.py",
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
        "checkpoint": checkpoint,
        "checkpoint_sha256": sha256,
        "transform_input": transform_input,
        "training": False,
        "dtype": "float32",
        "device": "cpu",
        "tf32": False,
        "image_size": record["input"].shape[-1],
        **others,
    }


def write(record, path, legacy=False):
    """`torch.save` to a file that appears whole or not at all; returns its size."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as stream:
            torch.save(record, stream, _use_new_zipfile_serialization=not legacy)
        os.replace(part, path)
    finally:
        if part.exists():
            part.unlink()
    return path.stat().st_size


def one_line(error):
    """An exception in one line, without the file name that the caller gives."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:300] or type(error).__name__


# ---------------------------------------------------------------- command line


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise CaptureError(f"{message}; see --help")


def parse(arguments):
    parser = Parser(prog="capture.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help=".pth file of a GoogLeNet, in any wrapping, gzipped or not")
    add_inputs(parser)
    add_outputs(parser)
    add_model(parser)
    options = parser.parse_args(arguments)
    check_options(options)
    return options


def add_inputs(parser):
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument(
        "--images", nargs="+", metavar="FILE", help="image files; resized, cropped and normalised as by torchvision"
    )
    one.add_argument(
        "--input",
        metavar="FILE",
        help="a normalised [n, 3, size, size] tensor that torch.save wrote, or a dict with one under 'input'",
    )
    one.add_argument("--random", type=int, metavar="N", help="N random images, where none are at hand")
    parser.add_argument("--seed", type=int, default=0, help="for --random; default 0")
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="N",
        help=f"side of the images; default {IMAGE_SIZE}; files are resized to N*256/224 before the crop",
    )


def add_outputs(parser):
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the golden file to write")
    parser.add_argument(
        "--layers",
        nargs="*",
        metavar="NAME",
        help="also record what layers give: all conv blocks, pools, Inception blocks and fc, "
        "or those named, such as inception3a.branch2.1",
    )
    parser.add_argument("--legacy", action="store_true", help="write the container of before torch 1.6")


def add_model(parser):
    parser.add_argument("--key", metavar="A.B", help="which state dict, where the checkpoint holds several")
    switch = parser.add_mutually_exclusive_group()
    switch.add_argument(
        "--transform-input",
        action="store_true",
        default=None,
        help="torchvision's transform_input; on by itself for the official weights, else off",
    )
    switch.add_argument("--no-transform-input", dest="transform_input", action="store_false", help="leave it off")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu; cuda turns TF32 off")
    parser.add_argument("--tf32", action="store_true", help="leave TF32 on; it rounds to 10 bits of mantissa")
    parser.add_argument(
        "--unsafe-load", action="store_true", help="load files that hold more than tensors; they can run any code"
    )


def check_options(options):
    """What can be refused before anything is read."""
    size, output = options.image_size, Path(options.output)
    if size is not None and (size < SMALLEST_SIZE or options.input):
        raise CaptureError(f"--image-size takes {SMALLEST_SIZE} or more, and goes with --images and --random")
    if options.random is not None and options.random < 1:
        raise CaptureError("--random takes a number of images, 1 or more")
    if options.tf32 and options.device == "cpu":
        raise CaptureError("--tf32 goes with --device cuda")
    if output.is_dir() or not output.parent.is_dir():
        raise CaptureError(f"{output}: {'is a folder' if output.is_dir() else 'its folder does not exist'}")
    for path in (options.checkpoint, options.input, *(options.images or ())):
        if path and output.exists() and os.path.exists(path) and output.samefile(path):
            raise CaptureError(f"{output}: is one of the inputs; choose another --output")


def batch_of(options):
    """The batch that the options ask for, its preprocessing, and the names of its images."""
    size = options.image_size or IMAGE_SIZE
    if options.images:
        paths = [path for pattern in options.images for path in expand(pattern)]
        return (*read_images(paths, size), [os.path.basename(path) for path in paths])
    if options.input:
        return (*read_input(options.input, options.unsafe_load), [])
    return (*random_images(options.random, size, options.seed), [])


def run(options):
    """Everything from the checkpoint to the golden file."""
    path = options.checkpoint
    tf32 = use_device(options.device, options.tf32)
    value, sha256, size = read_checkpoint(path, options.unsafe_load)
    state = choose(find_state_dicts(value, network_keys()), options.key, path)
    official = size == OFFICIAL_BYTES and sha256.startswith(OFFICIAL_SHA256)
    pickled = list(pickled_networks(value))
    known = {bool(network.transform_input) for network in pickled}
    recorded = known.pop() if len(known) == 1 else None
    usual = official if recorded is None else recorded
    transform_input = usual if options.transform_input is None else options.transform_input
    model = build(state, transform_input, path).to(options.device)
    for network in pickled:
        check_settings(model, network, path)
    batch, preprocessing, images = batch_of(options)
    layers = True if options.layers == [] else (options.layers or False)
    record = capture(model, batch, layers)
    how = {"device": options.device, "tf32": tf32, "preprocessing": preprocessing, "images": images}
    name = os.path.basename(path)
    record["provenance"] = provenance(name, sha256, transform_input, record, checkpoint_dtype=dtypes(state), **how)
    print_network(options, record, "official weights" if official else recorded is not None and "as pickled")
    print_images(record, official)
    written = write(record, options.output, options.legacy)
    print_written(options, record, written)


def print_network(options, record, source):
    made = record["provenance"]
    switch = "on" if made["transform_input"] else "off"
    if options.transform_input is None:
        switch += f" ({source})" if source else " (by default; --transform-input turns it on)"
    print(f"{options.checkpoint}: {record['logits'].shape[1]} classes, {made['checkpoint_dtype']}, transform_input {switch}")
    if options.device == "cuda":
        print(f"{torch.cuda.get_device_name()}: TF32 {'on' if made['tf32'] else 'off'}")


def print_images(record, official):
    """Each image's best class, by name where the classes are ImageNet's for certain."""
    names = record["provenance"]["images"]
    categories = GoogLeNet_Weights.IMAGENET1K_V1.meta["categories"] if official else None
    for index, (value, best) in enumerate(zip(*(each.tolist() for each in record["logits"].max(1)))):
        label = f" {categories[best]}" if categories else ""
        print(f"{names[index] if names else f'image {index}'}: top-1 {best}{label}, logit {value:.4f}")


def print_written(options, record, written):
    count, _, side, _ = record["input"].shape
    layers = f", {len(record['activations'])} layers" if "activations" in record else ""
    noun = "image" if count == 1 else "images"
    print(f"wrote {options.output}: {count} {noun} of {side}x{side}, logits{layers}, {written / 1e6:.1f} MB")
    if written > READER_LIMIT:
        print(f"warning: pth2tfjs reads no file over {READER_LIMIT} bytes; take fewer images or layers", file=sys.stderr)
    key = f" --key {shlex.quote(options.key)}" if options.key else ""
    switch = "--transform-input" if record["provenance"]["transform_input"] else "--no-transform-input"
    print(f"next: npx pth2tfjs verify {shlex.quote(options.checkpoint)} --golden {shlex.quote(options.output)} {switch}{key}")


def main(arguments=None):
    """Returns the exit code: 0, or 2 with one line on stderr."""
    try:
        run(parse(arguments))
        return 0
    except CaptureError as error:
        message = " ".join(str(error).split())
    except OSError as error:
        message = f"{error.filename}: {one_line(error)}" if error.filename else one_line(error)
    except (MemoryError, RuntimeError) as error:  # out of memory, also a GPU's
        message = f"{type(error).__name__}: {one_line(error)}"
    print(f"capture.py: error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
