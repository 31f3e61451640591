#!/usr/bin/env python3
"""What torchvision's preset for GoogLeNet makes of random images, for preprocess.test.ts.

`preprocess.py --seed N --out DIR` writes each case as DIR/N.pixels (the image, RGB), DIR/N.cropped
(after resize and crop, RGB) and DIR/N.input (float32, NHWC), and cases.json with their sizes.
`preprocess.py --fixed FILE` writes a few small cases into one JSON file.
"""

import argparse
import base64
import json
import random
from pathlib import Path

import numpy
from PIL import Image
from torchvision.models import GoogLeNet_Weights
from torchvision.transforms import functional

PRESET = GoogLeNet_Weights.IMAGENET1K_V1.transforms

# width, height, side of the crop; one of each kind, and random ones beside them.
SIZES = (
    (224, 224, 224), (256, 256, 224), (500, 375, 224), (375, 500, 224), (1, 1, 224), (1, 300, 64),
    (300, 1, 64), (2, 3, 224), (257, 255, 224), (255, 257, 224), (640, 480, 299), (1500, 40, 224),
    (40, 1500, 224), (97, 4000, 15), (4000, 97, 15), (3000, 2000, 224), (223, 224, 225), (17, 16, 15),
)  # fmt: skip
FIXED = ((40, 30, 32), (21, 64, 15), (1, 9, 16), (33, 33, 29), (200, 123, 24))


def draw(generator, width, height):
    """Noise, a picture of two gradients, or hard edges: each finds other faults."""
    kind = generator.randrange(3)
    noise = numpy.random.default_rng(generator.randrange(2**32))
    if kind == 0:
        return noise.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
    y, x = numpy.mgrid[0:height, 0:width]
    if kind == 1:
        planes = (x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) % 256)
    else:
        planes = ((x // 3 + y // 5) % 2 * 255, (x // 2) % 2 * 255, (y % 7 == 0) * 255)
    return numpy.stack(planes, axis=2).astype(numpy.uint8)


def answer(pixels, size):
    """The image after resize and crop, and the batch that the network is given, as NHWC."""
    image = Image.fromarray(pixels, "RGB")
    preset = PRESET(crop_size=size, resize_size=round(size * 256 / 224))
    resized = functional.resize(image, preset.resize_size, preset.interpolation)
    cropped = functional.center_crop(resized, preset.crop_size)
    return numpy.asarray(cropped), preset(image).permute(1, 2, 0).contiguous().numpy()


def random_sizes(generator, count):
    for _ in range(count):
        side = lambda: int(2 ** generator.uniform(0, 10.5))
        yield side(), side(), generator.choice((15, 96, 97, 224, 299, generator.randint(15, 300)))


def write_random(seed, out):
    generator = random.Random(seed)
    cases = []
    for index, (width, height, size) in enumerate((*SIZES, *random_sizes(generator, 60))):
        pixels = draw(generator, width, height)
        cropped, batch = answer(pixels, size)
        for name, data in (("pixels", pixels), ("cropped", cropped), ("input", batch)):
            (out / f"{index}.{name}").write_bytes(data.tobytes())
        cases.append({"width": width, "height": height, "imageSize": size})
    (out / "cases.json").write_text(json.dumps(cases))


def write_fixed(path):
    generator = random.Random(0)
    encode = lambda array: base64.b64encode(array.tobytes()).decode()
    cases = []
    for width, height, size in FIXED:
        pixels = draw(generator, width, height)
        cropped, _ = answer(pixels, size)
        cases.append(
            {"width": width, "height": height, "imageSize": size, "pixels": encode(pixels), "cropped": encode(cropped)}
        )
    path.write_text(json.dumps(cases, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fixed", type=Path)
    options = parser.parse_args()
    if options.fixed:
        write_fixed(options.fixed)
    else:
        write_random(options.seed, options.out)


if __name__ == "__main__":
    main()
