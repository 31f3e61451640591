#!/usr/bin/env python3
"""Random GIFs, and what Pillow makes of them: `gif-oracle.py DIR --seed N --count N` writes the files and gifs.json:
for each its size and the SHA-256 of the pixels of `convert("RGB")`, or null where Pillow gives an error, or colours that
are not in the palette.

They are put together here, since no encoder writes all that decoders must take."""

import argparse
import hashlib
import json
import random
import struct
import warnings
from pathlib import Path

from PIL import Image


def compress(indices, bits, draw):
    """LZW with clear codes at random places, as encoders may set them, besides where the table is full."""
    clear, end = 1 << bits, (1 << bits) + 1
    value = count = 0
    out = bytearray()

    def put(code, size):
        nonlocal value, count
        value |= code << count
        count += size
        while count >= 8:
            out.append(value & 255)
            value >>= 8
            count -= 8

    table = {}
    size = bits + 1
    put(clear, size)

    def reset():
        nonlocal table, size
        table = {(i,): i for i in range(clear)}
        size = bits + 1

    reset()
    following = end + 1
    prefix = ()
    for index in indices:
        longer = prefix + (index,)
        if longer in table:
            prefix = longer
            continue
        put(table[prefix], size)
        if following < 4096:
            table[longer] = following
            if following == 1 << size and size < 12:
                size += 1
            following += 1
        prefix = (index,)
        if draw.random() < 0.002 or (following == 4096 and draw.random() < 0.5):
            put(table[prefix], size)
            # The decoder adds an entry for this code too, and may grow by it.
            if following == 1 << size and size < 12:
                size += 1
            put(clear, size)
            reset()
            following = end + 1
            prefix = ()
    if prefix:
        put(table[prefix], size)
        if following == 1 << size and size < 12:
            size += 1
    put(end, size)
    if count:
        out.append(value & 255)
    return bytes(out)


def blocks(data, draw):
    parts = []
    while data:
        length = draw.choice([255, 255, draw.randint(1, 255)])
        parts.append(bytes([len(data[:length])]) + data[:length])
        data = data[length:]
    return b"".join(parts) + b"\0"


def palette(bits, draw):
    if draw.random() < 0.15:
        return bytes(i for i in range(1 << bits) for _ in range(3))
    return bytes(draw.randrange(256) for _ in range(3 << bits))


def extensions(draw):
    parts = []
    if draw.random() < 0.3:
        parts.append(b"!\xfe" + blocks(b"a comment " * draw.randint(1, 60), draw))
    if draw.random() < 0.3:
        parts.append(b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")
    for _ in range(draw.choice([0, 1, 1, 1, 2])):
        flags = draw.choice([0, 1, 1]) | draw.randrange(4) << 2
        parts.append(b"!\xf9\x04" + struct.pack("<BHB", flags, draw.randrange(100), draw.randrange(16)) + b"\0")
    draw.shuffle(parts)
    return b"".join(parts)


def frame(width, height, draw):
    columns, rows = draw.randint(1, width), draw.randint(1, height)
    if draw.random() < 0.4:
        columns, rows = width, height
    x, y = draw.randint(0, width - columns), draw.randint(0, height - rows)
    if draw.random() < 0.08:
        x += draw.randint(1, 9)
    flags = draw.choice([0, 64])
    local = b""
    if draw.random() < 0.4:
        bits = draw.randint(1, 8)
        flags |= 128 | bits - 1
        local = palette(bits, draw)
    bits = draw.randint(2, 8)
    count = columns * rows
    top = draw.choice([1 << bits, min(16, 1 << bits), 2])
    indices = [draw.randrange(top) for _ in range(count)]
    if draw.random() < 0.5:
        run = draw.randint(1, 40)
        indices = [indices[i // run] for i in range(count)]
    fault = draw.random()
    if fault < 0.04:
        indices = indices[: draw.randint(0, count - 1)]
    elif fault < 0.08:
        indices += [0] * draw.randint(1, 50)
    data = bytearray(compress(indices, bits, draw))
    if fault > 0.97:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    head = b"," + struct.pack("<HHHHB", x, y, columns, rows, flags) + local + bytes([bits])
    return head + blocks(bytes(data), draw)


def gif(draw):
    width, height = draw.randint(1, 50), draw.randint(1, 50)
    flags, table = 0x70, b""
    if draw.random() < 0.8:
        bits = draw.randint(1, 8)
        flags |= 128 | bits - 1
        table = palette(bits, draw)
    head = draw.choice([b"GIF87a", b"GIF89a"]) + struct.pack("<HHBBB", width, height, flags, draw.randrange(4), 0)
    frames = [extensions(draw) + frame(width, height, draw) for _ in range(draw.choice([1, 1, 2]))]
    whole = head + table + b"".join(frames) + draw.choice([b";", b";", b"", b";trailing bytes"])
    return whole[: draw.randrange(len(whole))] if draw.random() < 0.03 else whole


def decode(path):
    try:
        image = Image.open(path)
        colours = len(image.palette.getdata()[1]) // 3 if image.palette else 256
        image.load()
        # What they are differs from one Pillow to the next.
        if max(image.tobytes()) >= colours:
            return None
        image = image.convert("RGB")
    except (OSError, EOFError, SyntaxError, IndexError, TypeError, struct.error):
        return None
    return {"width": image.width, "height": image.height, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    options.out.mkdir(parents=True, exist_ok=True)
    draw = random.Random(options.seed)
    record = {}
    for i in range(options.count):
        path = options.out / f"{i}.gif"
        path.write_bytes(gif(draw))
        record[path.name] = decode(path)
    (options.out / "gifs.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
