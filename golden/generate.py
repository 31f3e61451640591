#!/usr/bin/env python3
"""Regenerate this folder: `python3 golden/generate.py [--out DIR] [--only SECTION]`.

Each run writes what the torch at hand can write, and always the same bytes. README.md
tells which versions wrote the recorded files.
"""

import argparse
import importlib
import importlib.util
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from files import Manifest  # noqa: E402

SECTIONS = {"full": "torchvision", "training": "torchvision", "small": "torch", "hostile": "torch", "safetensors_files": "safetensors"}
"""What is written, and the package that it needs."""


def sections(only):
    """The sections to write: the one asked for, or all that this installation can."""
    if only:
        return (only,)
    return [name for name, package in SECTIONS.items() if importlib.util.find_spec(package) is not None]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=Path(__file__).parent, type=Path, help="folder to write into")
    parser.add_argument("--only", choices=SECTIONS, help="write one section")
    options = parser.parse_args()
    manifest = Manifest(options.out)
    for name in sections(options.only):
        importlib.import_module(name).generate(manifest)
    manifest.save()


if __name__ == "__main__":
    main()
