"""Mistakes with what the network was given, and with what was saved as its logits."""

import torch
import torch.nn.functional as F

from ground import MEAN, STD


# ---------------------------------------------------------------- what the network was given


def pixels(x):
    return x * STD + MEAN


def normalized(x, mean, std):
    triple = [torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std)]
    return (pixels(x) - triple[0]) / triple[1]


def moved(x):
    """As a crop that starts one pixel further, the last row and column twice."""
    return F.pad(x[:, :, 1:, 1:], (0, 1, 0, 1), mode="replicate")


def moved_over_zeros(x):
    return F.pad(x[:, :, :-1, :-1], (1, 0, 1, 0))


def second_raw(x):
    return torch.stack([x[0], 255 * pixels(x)[1]])


INPUTS = {
    "clip": lambda x: normalized(x, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "half-half": lambda x: 2 * pixels(x) - 1,
    "mean-alone": lambda x: pixels(x) - MEAN,
    "std-alone": lambda x: pixels(x) / STD,
    "caffe": lambda x: (255 * pixels(x) - torch.tensor([123.0, 117.0, 104.0]).view(1, 3, 1, 1)).flip(1),
    "255-normalized": lambda x: (255 * pixels(x) - MEAN) / STD,
    "255-twice": lambda x: (pixels(x) / 255 - MEAN) / STD,
    "rbg": lambda x: x[:, [0, 2, 1]],
    "rolled": lambda x: x.roll(1, 3),
    "moved": moved,
    "moved-over-zeros": moved_over_zeros,
    "upside-down": lambda x: x.flip(2),
    "turned": lambda x: x.rot90(1, (2, 3)),
    "half-input": lambda x: x.half().float(),
    "8-bit": lambda x: (pixels(x).mul(255).floor().div(255) - MEAN) / STD,
    "second-raw": second_raw,
    "second-mirrored": lambda x: torch.stack([x[0], x[1].flip(2)]),
}


# ---------------------------------------------------------------- what was saved as logits

LOGITS = {
    "sigmoid": torch.sigmoid,
    "softmax-of-half": lambda y: (y / 2).softmax(1),
    "temperature": lambda y: y / 1.5,
    "less-their-largest": lambda y: y - y.max(1, keepdim=True).values,
    "of-unit-length": lambda y: F.normalize(y, dim=1),
    "one-hot": lambda y: F.one_hot(y.argmax(1), y.shape[1]).float(),
    "sorted": lambda y: y.sort(1, descending=True).values,
    "classes-moved": lambda y: y.roll(-1, 1),
    "two-classes-swapped": lambda y: y[:, [0, 1, 9, *range(3, 9), 2, *range(10, y.shape[1])]],
    "classes-as-text": lambda y: y[:, sorted(range(y.shape[1]), key=str)],
    "half": lambda y: y.half().float(),
    "bfloat16": lambda y: y.bfloat16().float(),
    "two-decimals": lambda y: (100 * y).round() / 100,
    "negative": lambda y: -y,
    "second-as-first": lambda y: y[[0, 0]],
}
