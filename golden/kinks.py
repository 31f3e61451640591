"""Networks and batches whose values are all away from the kinks: ReLU's at zero, and a max-pool's where two
values of a window are equal.

Two correct programs round differently, and may take the two sides of a kink; their gradients then differ
by 1e-3 and more. Four of five random networks have such values, and a comparison would tell nothing.
"""

import copy
import math
from functools import partial

import torch
import torch.nn.functional as F
from torchvision.models.googlenet import BasicConv2d, Inception

from hashed import undrawn

CLEARANCE = 3e-4
"""How far from a kink `clear` moves every value, where channels deviate by about 1 and rounding by up to 2e-5."""

CROWD = 1333
"""Channels of more values, which are those of the first layers, with a tenth of that rounding, get less."""

NOISE = 8
"""How many deviations of its channel's rounding every value is from a kink, where it `is_clear`: other programs
round twice as much as PyTorch."""


def kinked(model):
    """The modules that end in a ReLU: each with its kernel's key, a function that gives the values before
    ReLU, and the max-pools that see what is after."""
    for name, module in model.named_modules():
        if isinstance(module, BasicConv2d):
            yield module, f"{name}.conv.weight", partial(normalised, module), pools_after(model, name)
        elif name.endswith(".fc1"):
            yield module, f"{name}.weight", module.forward, []


def normalised(block, image):
    return block.bn(block.conv(image))


def pools_after(model, name):
    """The max-pools that the output of a BasicConv2d passes, one after the other, before its next convolution."""
    if name.endswith(".0"):
        return []
    names, modules = zip(*model.named_children())
    at = names.index(name.split(".")[0]) + 1
    pools = []
    while isinstance(modules[at], torch.nn.MaxPool2d):
        pools.append(modules[at])
        at += 1
    return [*pools, modules[at].branch4[0]] if isinstance(modules[at], Inception) else pools


@torch.no_grad()
def clear(model, images, redraw):
    """Draw rows of the kernels anew, layer by layer, until training with the images meets no kink.

    `redraw(key, kernel, draws)` draws. Returns how often it did so for each row, by the kernel's key. The
    running statistics are of no use afterwards.
    """
    draws = {}

    def settle(_module, inputs, key, values, pools):
        kernel = model.get_parameter(key)
        draws[key] = undrawn(len(kernel))
        while (near := near_kinks(before := values(inputs[0]), pools, clearance(before))).any():
            draws[key] += near
            redraw(key, kernel, draws[key])

    visit(model.train(), images, settle)
    return draws


def clearance(values):
    return CLEARANCE * min(1, CROWD / by_channel(values).shape[1])


@torch.no_grad()
def first_clear(precise, single, batches):
    """The number of the first batch, `(number, images)`, with which training meets no kink. The models are the
    same, in float64 and in float32: what they differ by is the rounding."""
    precise, single = (copy.deepcopy(model).train() for model in (precise, single))
    noise = None
    for number, images in batches:
        noise = noise or rounding(precise, single, images)
        if is_clear(single, images, noise):
            return number


def rounding(precise, single, images):
    """The deviation of each channel's rounding, by the kernel's key."""
    exact, noise = {}, {}

    def keep(_module, inputs, key, values, pools):
        exact[key] = values(inputs[0])

    def compare(_module, inputs, key, values, pools):
        errors = by_channel(values(inputs[0]) - exact.pop(key))
        noise[key] = errors.square().mean(1, keepdim=True).sqrt().float()

    visit(precise, images.double(), keep)
    visit(single, images, compare)
    return noise


class NearKink(Exception):
    pass


def is_clear(model, images, noise):
    def check(_module, inputs, key, values, pools):
        if near_kinks(values(inputs[0]), pools, NOISE * noise[key]).any():
            raise NearKink

    try:
        visit(model, images, check)
    except NearKink:
        return False
    return True


def visit(model, images, see):
    """Run images, and show `see` each of the `kinked` modules, with its inputs, before it runs."""
    hooks = [
        module.register_forward_pre_hook(partial(see, key=key, values=values, pools=pools))
        for module, key, values, pools in kinked(model)
    ]
    try:
        model(images)
    finally:
        for hook in hooks:
            hook.remove()


def near_kinks(values, pools, clearance):
    """Which channels have a value within `clearance` of ReLU's kink, or of that of a pool after it."""
    near = (by_channel(values).abs() < clearance).any(1)
    image = F.relu(values)
    for pool in pools:
        near |= (by_channel(lead(image, pool)) < clearance).any(1)
        image = pool(image)
    return near


def by_channel(values):
    return values.transpose(0, 1).flatten(1)


def lead(image, pool):
    """How far the largest value of each window is above the next: `[images, channels, windows]`.

    Equal ones do not count: they are zeros, whose gradients end at ReLU, or one value that several windows
    of the pool before gave, and lead back to it.
    """
    kernel, stride, padding = pool.kernel_size, pool.stride, pool.padding
    padded = F.pad(image, (padding, padding + stride - 1) * 2, value=-math.inf)
    windows = padded.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4).flatten(2, 3)
    largest = windows.amax(-1, keepdim=True)
    return (largest - windows.masked_fill(windows == largest, -math.inf).amax(-1, keepdim=True)).squeeze(-1)
