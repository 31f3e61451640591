#!/usr/bin/env python3
"""Image files of several formats, and what torchvision's pipeline makes of them, for `classify`.

`photos.py OUT` writes the images and photos.json: for each, the SHA-256 of the file and of the pixels that
Pillow decodes (`convert("RGB")`), and the five classes that are most probable with the bundled checkpoint, at 224
pixels and, for GPUs in software, at 64. `--seed N` draws others. The preprocessing is torchvision's own,
`GoogLeNet_Weights.IMAGENET1K_V1.transforms()`.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy
import PIL
import torch
import torchvision
from PIL import Image
from torchvision.models import GoogLeNet_Weights

sys.dont_write_bytecode = True

from capture import build, read_checkpoint  # noqa: E402

CHECKPOINT = Path(__file__).parent / "googlenet.pth.gz"


def draw(generator, width, height):
    """Waves, discs and a little noise: colours that JPEG's subsampling and resizing can get wrong."""
    y, x = numpy.mgrid[0:height, 0:width]
    period = generator.uniform(6, 40, 6)
    waves = [110 * numpy.sin(x / a + y / b) for a, b in period.reshape(3, 2)]
    image = numpy.stack(waves, axis=2) + generator.uniform(90, 160, 3)
    for _ in range(5):
        centre = generator.uniform(0, 1, 2) * (height, width)
        inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < (generator.uniform(0.05, 0.3) * height) ** 2
        image[inside] = generator.uniform(0, 255, 3)
    image += generator.normal(0, 3, image.shape)
    return Image.fromarray(image.clip(0, 255).astype(numpy.uint8), "RGB")


def rotated_exif():
    """Orientation 6, a camera held upright: Pillow's `open` leaves the pixels as they lie in the file."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def with_alpha(image):
    height, width = image.size[1], image.size[0]
    alpha = (numpy.arange(height * width).reshape(height, width) % 256).astype(numpy.uint8)
    image = image.copy()
    image.putalpha(Image.fromarray(alpha, "L"))
    return image


def save_all(generator, out):
    photo = lambda width, height: draw(generator, width, height)
    photo(331, 252).save(out / "photo.jpg", quality=85, subsampling=2)
    photo(240, 300).save(out / "upright.jpg", quality=80, subsampling=1, exif=rotated_exif())
    photo(257, 180).convert("L").save(out / "grey.jpg", quality=75, progressive=True)
    photo(150, 190).save(out / "photo.png")
    photo(180, 120).convert("P", palette=Image.ADAPTIVE).save(out / "palette.png")
    with_alpha(photo(99, 140)).save(out / "alpha.png")
    photo(400, 226).save(out / "photo.webp", quality=80)
    photo(120, 96).save(out / "lossless.webp", lossless=True)
    photo(160, 130).convert("P", palette=Image.ADAPTIVE).save(out / "photo.gif")


@torch.no_grad()
def top5_of(image, model, size):
    """The short side is resized to 256 for a crop of 224, and in proportion for others, as by capture.py."""
    transforms = GoogLeNet_Weights.IMAGENET1K_V1.transforms(crop_size=size, resize_size=round(size * 256 / 224))
    best = model(transforms(image)[None])[0].double().softmax(0).topk(5)
    return [{"index": int(i), "probability": round(float(p), 7)} for p, i in zip(best.values, best.indices)]


def truth_of(path, model):
    image = Image.open(path).convert("RGB")
    digest = lambda data: hashlib.sha256(data).hexdigest()
    return {
        "file": path.name,
        "sha256": digest(path.read_bytes()),
        "pixels_sha256": digest(image.tobytes()),
        "width": image.width,
        "height": image.height,
        "top5": top5_of(image, model, 224),
        "top5_of_64": top5_of(image, model, 64),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=2014)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    save_all(numpy.random.default_rng(options.seed), options.out)
    state, _, _ = read_checkpoint(CHECKPOINT)
    model = build(state, False).eval()
    paths = sorted(path for path in options.out.iterdir() if path.suffix != ".json")
    record = {
        "versions": {"pillow": PIL.__version__, "torch": torch.__version__, "torchvision": torchvision.__version__},
        "photos": [truth_of(path, model) for path in paths],
    }
    (options.out / "photos.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
