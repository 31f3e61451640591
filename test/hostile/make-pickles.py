"""Writes pickles.jsonl: pickles of random plain values by CPython, and what each holds.

Usage: python3 make-pickles.py > pickles.jsonl

Each line is one. A value is null, true, false, a text, or an object with one key that names its type: int and float
(decimal text, and the eight bytes in hex, big-endian), bytes (hex), list, tuple, set, frozenset
(arrays) and dict (an array of pairs).
"""

import json
import pickle
import random
import struct

random.seed(20)
EDGES = [2**k + d for k in (7, 8, 15, 16, 31, 32, 47, 48, 53, 63, 64, 100) for d in (-1, 0, 1)]
TEXTS = ["", "conv1.conv.weight", "__proto__", "constructor", "é", "日本", "\U0001f642", "a\nb", "\0"]


def integer():
    magnitude = random.choice([0, 1, 10, random.getrandbits(31), *random.sample(EDGES, 3)])
    return random.choice([-1, 1]) * magnitude


def real():
    return random.choice(
        [0.0, -0.0, 0.5, float("inf"), float("-inf"), 5e-324, random.uniform(-1, 1), 1e300]
    )


def text():
    return random.choice([*TEXTS, "x" * random.choice([255, 256, 300]), str(random.random())])


def octets():
    return random.choice([b"", b"\x00\xff\x80", b"abc\n", bytes(range(256))])


def value(depth):
    leaves = [lambda: None, lambda: True, lambda: False, integer, real, text, octets]
    if depth == 0:
        return random.choice(leaves)()
    count = random.choice([0, 1, 2, 3, 4, 7])
    keys = [random.choice([text, lambda: random.getrandbits(40) + 2])() for _ in range(count)]
    items = [value(depth - 1) for _ in range(count)]
    if count > 1 and random.random() < 0.3:
        items[-1] = items[0]
    return random.choice(
        [
            *leaves,
            *[lambda: dict(zip(keys, items))] * 4,
            *[lambda: items] * 3,
            *[lambda: tuple(items)] * 3,
            lambda: set(keys),
            lambda: frozenset(keys),
        ]
    )()


def tagged(v):
    if v is None or isinstance(v, (bool, str)):
        return v
    if isinstance(v, int):
        return {"int": str(v)}
    if isinstance(v, float):
        return {"float": struct.pack(">d", v).hex()}
    if isinstance(v, bytes):
        return {"bytes": v.hex()}
    if isinstance(v, dict):
        return {"dict": [[tagged(k), tagged(x)] for k, x in v.items()]}
    return {type(v).__name__: [tagged(x) for x in v]}


def rows():
    big = [list(range(1100)), {str(i): None for i in range(1100)}]
    seen = set()
    for number in range(48):
        v = big[number] if number < len(big) else value(number % 4)
        for protocol in [random.randrange(1, 6)] if number < len(big) else range(1, 6):
            data = pickle.dumps(v, protocol).hex()
            if data not in seen and len(data) < (20000 if number < len(big) else 2000):
                seen.add(data)
                yield {"protocol": protocol, "pickle": data, "value": tagged(v)}


for row in rows():
    print(json.dumps(row, separators=(",", ":")))
