#!/usr/bin/env python3
"""The reference library of safetensors, asked by the tests.

`safetensors.py write DIR --seed N` writes files with it, and the same by torch.save beside them;
`safetensors.py judge DIR` prints what it finds in each file of a folder; `safetensors.py load FILE PTH` tells
whether it reads from FILE what torch reads from PTH.
"""

import argparse
import gzip
import hashlib
import json
import sys
from pathlib import Path

# This script has the library's name.
sys.path.remove(str(Path(__file__).parent))

import safetensors  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
from torchvision.models import googlenet  # noqa: E402

sys.path.append(str(Path(__file__).parents[1] / "helpers"))

import oracle  # noqa: E402

BUNDLED = Path(__file__).parents[2] / "golden" / "googlenet.pth.gz"
DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64")
NAMES = ("a", "B", "a.b", "10", "9", "é", "\U0001f600", "\uffee", 'quote"', "back\\slash", "tab\t", "del\x7f", "\u2028", "__proto__")


def write_mixed(folder):
    """Tensors of all types that torch 1.13 shares with safetensors, of all shapes, under names of all kinds."""
    tensors = {}
    for index, name in enumerate(NAMES + DTYPES):
        dtype = getattr(torch, DTYPES[index % len(DTYPES)])
        size = tuple(torch.randint(0, 4, (int(torch.randint(0, 4, ())),)).tolist())
        values = torch.randint(0, 2, size) if dtype == torch.bool else 100 * torch.randn(size)
        tensors[name] = values.to(dtype)
    wide = torch.arange(24.0).reshape(4, 6)
    tensors["transposed"], tensors["column"] = wide.t(), wide[:, 1]
    torch.save(tensors, folder / "mixed.pth")
    dense = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    safetensors.torch.save_file(dense, folder / "mixed.safetensors", metadata={"format": "pt"})


@torch.no_grad()
def write_network(folder):
    """A network in half precision behind a prefix, and a golden file with two layers."""
    case = oracle.Case("flat", 96, classes=10, aux=10, transform=True, dtype=torch.float16)
    model = oracle.build(case)
    outputs = {}
    for name in ("conv1", "inception3a"):
        model.get_submodule(name).register_forward_hook(
            lambda _module, _input, output, name=name: outputs.update({f"activations.{name}": output.clone()})
        )
    batch, logits = oracle.ask(model, case)
    state = {f"module.{key}": tensor.clone() for key, tensor in model.half().state_dict().items()}
    safetensors.torch.save_file(state, folder / "network.safetensors", metadata={"transform_input": "true"})
    golden = {"input": batch, "logits": logits, **outputs}
    notes = {"torch": torch.__version__, "transform_input": "true", "training": "false", "checkpoint": "flat.pth"}
    safetensors.torch.save_file(golden, folder / "golden.safetensors", metadata=notes)


def write(folder, seed):
    torch.manual_seed(seed)
    write_mixed(folder)
    write_network(folder)
    state = torch.load(gzip.open(BUNDLED))
    safetensors.torch.save_file(state, folder / "bundled.safetensors", metadata={"format": "pt"})


def judge(folder):
    """For each file the tensors, as `{name: [type, shape, hash]}`, or null where it is refused."""
    verdicts = {}
    for path in folder.iterdir():
        try:
            found = safetensors.deserialize(path.read_bytes())
        except safetensors.SafetensorError:
            verdicts[path.name] = None
            continue
        verdicts[path.name] = {
            name: [each["dtype"], each["shape"], hashlib.sha256(bytes(each["data"])).hexdigest()] for name, each in found
        }
    print(json.dumps(verdicts))


def load(path, pth):
    """Whether both hold the same, to the type and the bit, and torchvision's network takes it."""
    found, wanted = safetensors.torch.load_file(path), torch.load(gzip.open(pth))
    same = found.keys() == wanted.keys() and all(
        found[key].dtype == wanted[key].dtype and torch.equal(found[key], wanted[key]) for key in wanted
    )
    model = googlenet(weights=None, aux_logits=True, init_weights=False)
    taken = str(model.load_state_dict(found))
    with safetensors.safe_open(path, "pt") as opened:
        print(json.dumps({"same": same, "taken": taken, "metadata": opened.metadata()}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, arguments in {"write": ["folder"], "judge": ["folder"], "load": ["path", "pth"]}.items():
        command = commands.add_parser(name)
        for argument in arguments:
            command.add_argument(argument, type=Path)
    commands.choices["write"].add_argument("--seed", type=int, required=True)
    options = vars(parser.parse_args())
    {"write": write, "judge": judge, "load": load}[options.pop("command")](**options)


if __name__ == "__main__":
    main()
