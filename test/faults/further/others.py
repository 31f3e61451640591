"""Mistakes with the whole of a golden file."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from given import pixels
from ground import CASE, MEAN, STD, oracle, run
from networks import drifted


def training_with_four(ground):
    return run(ground.spoilt(lambda model: model.train()), oracle.images(4, CASE.size))


def autocast(ground):
    with torch.autocast("cpu", torch.bfloat16):
        return run(ground.model, ground.batch)


def bfloat16(ground):
    return run(ground.spoilt(lambda model: model.bfloat16()), ground.batch.bfloat16(), ground.batch)


def transform(x):
    return x * (STD / 0.5) + (MEAN - 0.5) / 0.5


def transforming(ground):
    return ground.spoilt(lambda model: setattr(model, "transform_input", True))


def transform_twice(ground):
    return run(transforming(ground), transform(ground.batch), ground.batch)


def transform_saved(ground):
    return run(transforming(ground), ground.batch, transform(ground.batch))


def larger(ground):
    """The network saw images of 96 pixels; the file has them in the size that the model takes."""
    given = oracle.images(2, 96)
    return run(ground.model, given, F.interpolate(given, size=64, mode="bilinear", antialias=True))


def mirrored_too(ground):
    golden, other = run(ground.model, ground.batch), ground.model(ground.batch.flip(3))
    return {**golden, "logits": (golden["logits"] + other) / 2}


def ensemble(ground):
    golden, other = run(ground.model, ground.batch), ground.spoilt(drifted(0.1))(ground.batch)
    return {**golden, "logits": (golden["logits"] + other) / 2}


def other_order(ground):
    given = oracle.images(4, CASE.size)
    return run(ground.model, given, given.roll(1, 0))


def other_batch(ground):
    return run(ground.model, oracle.images(2, CASE.size), ground.batch)


def auxiliary(ground):
    """The first auxiliary head's logits, of a checkpoint that has both heads."""
    model = oracle.build(replace(CASE, aux=CASE.classes))
    torch.save(model.state_dict(), ground.out / "auxiliary.pth")
    batch, _ = oracle.ask(model, CASE)
    golden = run(model, batch)
    return {**golden, "logits": model.aux1(golden["activations"]["inception4a"])}


def from_another(ground):
    """With a note of the checkpoint that it was made from, which is not the model's."""
    golden = run(ground.spoilt(drifted(0.1)), ground.batch)
    return {**golden, "provenance": {"checkpoint": "epoch-89.pth", "checkpoint_sha256": "ab" * 32}}


def photos():
    """Two photographs in landscape format, from 0 to 1."""
    return pixels(oracle.images(2, 160))[:, :, :120]


def crop(x):
    top, left = (x.shape[2] - CASE.size) // 2, (x.shape[3] - CASE.size) // 2
    return x[:, :, top : top + CASE.size, left : left + CASE.size]


def resized(x, size, mode="bilinear", antialias=True):
    return F.interpolate(x, size=size, mode=mode, antialias=antialias).clamp(0, 1)


def prepared(way):
    """The file has the photographs as torchvision prepares them, the network had them otherwise."""

    def make(ground):
        photo = photos()
        saved = crop(resized(photo, (72, 96)))
        return run(ground.model, (way(photo) - MEAN) / STD, (saved - MEAN) / STD)

    return make


def letterboxed(photo):
    return F.pad(resized(photo, (48, 64)), (0, 0, 8, 8))


OTHERS = {
    "training-with-four": training_with_four,
    "autocast": autocast,
    "in-bfloat16": bfloat16,
    "transform-twice": transform_twice,
    "transform-saved": transform_saved,
    "larger": larger,
    "mirrored-too": mirrored_too,
    "ensemble": ensemble,
    "other-order": other_order,
    "other-batch": other_batch,
    "auxiliary": auxiliary,
    "from-another": from_another,
    "bicubic": prepared(lambda photo: crop(resized(photo, (72, 96), "bicubic"))),
    "not-antialiased": prepared(lambda photo: crop(resized(photo, (72, 96), antialias=False))),
    "nearest": prepared(lambda photo: crop(F.interpolate(photo, size=(72, 96)))),
    "not-cropped": prepared(lambda photo: resized(photo, (64, 64))),
    "letterboxed": prepared(letterboxed),
}
