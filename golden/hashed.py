"""Weights and images out of a hash of integers: any language gets the same ones from a seed."""

import math

import torch


def mix(seed, index):
    """32 bits out of two integers, or out of tensors of them: the last steps of MurmurHash3."""
    z = (seed + (index + 1) * 0x9E3779B9) & 0xFFFFFFFF
    z = ((z ^ z >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    z = ((z ^ z >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return z ^ z >> 16


def mix_text(seed, text):
    for character in text:
        seed = mix(seed, ord(character))
    return seed


def uniform(seed, text, draws, columns):
    """Numbers from -1 to 1, float64, `[rows, columns]`; `draws` tells how often each row was drawn before."""
    rows = mix(mix(mix_text(seed, text), draws), torch.arange(len(draws)))
    return mix(rows[:, None], torch.arange(columns)) / 2**31 - 1


def undrawn(rows):
    return torch.zeros(rows, dtype=torch.int64)


@torch.no_grad()
def draw(key, parameter, seed, draws=None):
    """Fill a parameter, a row for each output: kernels by He's rule, the rest within half of its middle.

    BatchNorm's biases let most values through ReLU: around zero, rounding would grow more from layer to
    layer. Much higher, hardly a value would be cut off, and the next BatchNorm would take the bias away.
    """
    columns = parameter[0].numel()
    values = uniform(seed, key, undrawn(len(parameter)) if draws is None else draws, columns)
    if parameter.dim() > 1:
        values = values * math.sqrt(6 / columns)
    else:
        values = values / 2 + (1 if key.endswith(".bn.weight") else 0.5 if key.endswith(".bn.bias") else 0)
    parameter.copy_(values.float().view_as(parameter))


def draw_batch(size, images, classes, seed, number):
    """White noise, of about the deviation of normalised photographs, `[images, 3, size, size]`; and labels."""
    pixels = 2 * uniform(seed, "images", undrawn(images) + number, 3 * size**2)
    labels = mix(mix(mix_text(seed, "labels"), number), torch.arange(images)) % classes
    return pixels.float().view(-1, 3, size, size), labels


def signs(seed, text, count, columns):
    """A pattern of -1 and 1, `[count, columns]`; 32 rows at the most."""
    bits = mix(mix_text(seed, text), torch.arange(columns))
    return (bits >> torch.arange(count)[:, None] & 1) * 2 - 1
