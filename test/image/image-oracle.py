#!/usr/bin/env python3
"""Images of every kind that PNG knows, with and without transparency, and of WebP and JPEG, and what Pillow makes of
them: `image-oracle.py DIR --seed N` writes them and images.json: for each its size and the SHA-256 of the pixels of
`convert("RGB")`, or null where Pillow gives an error."""

import argparse
import hashlib
import json
import random
import struct
import warnings
import zlib
from pathlib import Path

from PIL import Image

SIZE = (37, 29)
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def scanlines(samples, width, height, channels, depth):
    """Samples, row by row, in rows of whole bytes without a filter."""
    rows = []
    for y in range(height):
        bits = "".join(f"{s:0{depth}b}" for s in samples[y * width * channels : (y + 1) * width * channels])
        bits += "0" * (-len(bits) % 8)
        rows.append(b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)))
    return b"".join(rows)


def png(draw, colour, depth, interlaced, transparent, more=b"", colours=None):
    (width, height), channels = SIZE, CHANNELS[colour]
    top = (1 << depth) - 1 if colours is None else colours - 1
    samples = [draw.randint(0, top) for _ in range(width * height * channels)]
    if not interlaced:
        data = scanlines(samples, width, height, channels, depth)
    else:
        data = b""
        for x0, y0, dx, dy in PASSES:
            xs, ys = range(x0, width, dx), range(y0, height, dy)
            part = [s for y in ys for x in xs for s in samples[(y * width + x) * channels :][:channels]]
            data += scanlines(part, len(xs), len(ys), channels, depth) if part else b""
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)), more]
    if colour == 3:
        count = colours or 1 << depth
        parts.append(chunk(b"PLTE", bytes(draw.randrange(256) for _ in range(3 * count))))
        if transparent:
            length = draw.randint(1, count)
            parts.append(chunk(b"tRNS", bytes(draw.choice([0, 0, 128, 255]) for _ in range(length))))
    elif transparent:
        parts.append(chunk(b"tRNS", b"".join(struct.pack(">H", s) for s in samples[:channels])))
    parts += [chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def pngs(draw):
    for colour, depths in DEPTHS.items():
        for depth in depths:
            for interlaced in (0, 1):
                for transparent in (False, True) if colour in (0, 2, 3) else (False,):
                    name = f"png-{colour}-{depth}{'-adam7' * interlaced}{'-trns' * transparent}.png"
                    yield name, png(draw, colour, depth, interlaced, transparent)
    gamma = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"cHRM", struct.pack(">8I", *[31270, 32900] * 4))
    for colour in (0, 2, 3, 6):
        yield f"png-{colour}-gamma.png", png(draw, colour, 8, 0, False, gamma)
    yield "png-few-colours.png", png(draw, 3, 8, 0, True, colours=5)
    yield "png-background.png", png(draw, 6, 8, 0, False, chunk(b"bKGD", struct.pack(">3H", 9, 99, 199)))


def noise(draw, mode, size=SIZE):
    channels = len(Image.new(mode, (1, 1)).getbands())
    step = 5
    blocks = [draw.randrange(256) for _ in range(channels * 100)]
    at = lambda x, y, c: blocks[(x // step + y // step * 8) % 100 * channels + c]
    data = bytes(at(x, y, c) for y in range(size[1]) for x in range(size[0]) for c in range(channels))
    return Image.frombytes(mode, size, data)


def save(path, image, **options):
    image.save(path, **options)


def written(draw, out):
    """By Pillow's own encoders."""
    save(out / "alpha-lossless.webp", noise(draw, "RGBA"), lossless=True, exact=True)
    save(out / "alpha-inexact.webp", noise(draw, "RGBA"), lossless=True)
    save(out / "alpha-lossy.webp", noise(draw, "RGBA"), quality=70)
    save(out / "opaque-lossy.webp", noise(draw, "RGB"), quality=70)
    frames = [noise(draw, "RGBA") for _ in range(3)]
    save(out / "animated.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True, exact=True)
    frames = [noise(draw, "RGBA") for _ in range(3)]
    save(out / "animated.png", frames[0], save_all=True, append_images=frames[1:])
    save(out / "animated-default.png", frames[0], save_all=True, append_images=frames[1:], default_image=True)
    frames = [noise(draw, "RGB").quantize(16) for _ in range(3)]
    save(out / "animated.gif", frames[0], save_all=True, append_images=frames[1:], transparency=3, disposal=2)
    save(out / "grey.jpg", noise(draw, "L"), quality=80)
    save(out / "cmyk.jpg", noise(draw, "CMYK"), quality=80)
    for orientation in (3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(out / f"turned-{orientation}.jpg", noise(draw, "RGB"), quality=90, exif=exif)
        save(out / f"turned-{orientation}.png", noise(draw, "RGB"), exif=exif)
        save(out / f"turned-{orientation}.webp", noise(draw, "RGB"), lossless=True, exif=exif)
    save(out / "profile.png", noise(draw, "RGB"), icc_profile=b"not a profile at all")
    save(out / "bilevel.png", noise(draw, "L").convert("1"))
    save(out / "tiny.png", noise(draw, "LA", (1, 1)))
    save(out / "wide.webp", noise(draw, "RGBA", (300, 2)), lossless=True)


def small_frame(draw, out):
    """An animation whose first frame does not fill the canvas, before a background of its own."""
    save(out / "frame.webp", noise(draw, "RGBA", (10, 8)), lossless=True, exact=True)
    data = (out / "frame.webp").read_bytes()
    (out / "frame.webp").unlink()
    image = data[data.index(b"VP8L") :]
    three = lambda n: struct.pack("<I", n)[:3]
    riff = lambda name, body: name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    frame = three(4) + three(3) + three(9) + three(7) + three(100) + bytes([draw.randrange(4)]) + image
    parts = riff(b"VP8X", bytes([0x12, 0, 0, 0]) + three(SIZE[0] - 1) + three(SIZE[1] - 1))
    parts += riff(b"ANIM", bytes([10, 20, 30, 255, 0, 0])) + riff(b"ANMF", frame) * 2
    (out / "small-frame.webp").write_bytes(riff(b"RIFF", b"WEBP" + parts))


def decode(path):
    try:
        image = Image.open(path).convert("RGB")
    except (OSError, EOFError, SyntaxError, ValueError):
        return None
    return {"width": image.width, "height": image.height, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    options.out.mkdir(parents=True, exist_ok=True)
    draw = random.Random(options.seed)
    for name, data in pngs(draw):
        (options.out / name).write_bytes(data)
    written(draw, options.out)
    small_frame(draw, options.out)
    paths = sorted(path for path in options.out.iterdir() if path.suffix != ".json")
    (options.out / "images.json").write_text(json.dumps({path.name: decode(path) for path in paths}))


if __name__ == "__main__":
    main()
