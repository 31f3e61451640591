#!/usr/bin/env python3
"""What lower precision costs: `python3 golden/precision.py [--seeds 1 2 3 4]` prints README.md's table.

For each kind of arithmetic it gives the relative error of an image's logits against PyTorch's
float32: least, median and greatest, for the bundled network and for random ones by oracle.py.
"""

import argparse
import copy
import gzip
import io
import statistics
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "test" / "helpers"))

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torchvision.models import googlenet  # noqa: E402

import oracle  # noqa: E402

CASES = ("as-published", "paper-kernels", "data-parallel", "averaged", "before-0.4.1")


# ---------------------------------------------------------------- roundings


def tf32(tensor):
    """float32 rounded to 10 bits of mantissa, to nearest even; for numbers that are finite."""
    bits = tensor.contiguous().view(torch.int32).long()
    bits = (bits + 0xFFF + (bits >> 13 & 1)) & ~0x1FFF
    return bits.int().view(torch.float32).view_as(tensor)


def float16(tensor):
    return tensor.half().float()


def bfloat16(tensor):
    return tensor.bfloat16().float()


# ---------------------------------------------------------------- networks in other arithmetic


def fold(model):
    """BatchNorm in the convolutions, computed in float64, as the converted model has it."""
    model = copy.deepcopy(model)
    for block in model.modules():
        if not (hasattr(block, "conv") and hasattr(block, "bn")):
            continue
        conv, norm = block.conv, block.bn
        scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        block.conv = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
        block.conv.weight.copy_(conv.weight.double() * scale.view(-1, 1, 1, 1))
        block.conv.bias.copy_(norm.bias.double() - norm.running_mean.double() * scale)
        block.bn = nn.Identity()
    return model


def round_products(model):
    """TF32, as tensor cores have it: both factors are rounded, sums are float32."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.copy_(tf32(module.weight))
            module.register_forward_pre_hook(lambda _module, inputs: (tf32(inputs[0]),))
    return model


def round_weights(model, rounded):
    model = copy.deepcopy(model)
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.is_floating_point():
            tensor.copy_(rounded(tensor))
    return model


def round_all(model, rounded):
    """As `model.half()`: weights, statistics, inputs and every output; pools and ReLU add no rounding."""
    model = round_weights(model, rounded)
    transform = model._transform_input
    model._transform_input = lambda batch: rounded(transform(rounded(batch)))
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.AdaptiveAvgPool2d)):
            module.register_forward_hook(lambda _module, _inputs, output: rounded(output))
    return model


VARIANTS = {
    "float32, folded": fold,
    "TF32": round_products,
    "TF32, folded": lambda model: round_products(fold(model)),
    "float16": lambda model: round_all(model, float16),
    "float16, folded": lambda model: round_all(fold(model), float16),
    "bfloat16": lambda model: round_all(model, bfloat16),
    "bfloat16, folded": lambda model: round_all(fold(model), bfloat16),
    "weights alone in float16": lambda model: round_weights(model, float16),
    "weights alone in float16, folded": lambda model: round_weights(fold(model), float16),
}


# ---------------------------------------------------------------- measurement


def errors(actual, reference):
    """‖Δ‖/‖ref‖ of each row."""
    difference = torch.linalg.vector_norm(actual.double() - reference.double(), dim=1)
    return (difference / torch.linalg.vector_norm(reference.double(), dim=1)).tolist()


def measure(model, batch, rows):
    """Adds the errors of a batch's images to `rows`, by variant."""
    reference = model(batch)
    rows.setdefault("float64", []).extend(errors(copy.deepcopy(model).double()(batch.double()), reference))
    for name, change in VARIANTS.items():
        rows.setdefault(name, []).extend(errors(change(model)(batch), reference))


def load(name):
    return torch.load(io.BytesIO(gzip.decompress((HERE / name).read_bytes())))


def bundled():
    model = googlenet(weights=None, aux_logits=True, init_weights=False, transform_input=False)
    model.load_state_dict(load("googlenet.pth.gz"))
    rows = {}
    measure(model.eval(), load("googlenet.golden.pth.gz")["input"], rows)
    return rows


def drawn(seeds):
    rows = {}
    for index, case in enumerate(oracle.CASES):
        for seed in seeds if case.name in CASES else ():
            torch.manual_seed(1000 * seed + index)
            model = oracle.build(case)
            measure(model, oracle.ask(model, case)[0], rows)
    return rows


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    options = parser.parse_args()
    torch.set_num_threads(1)  # which sums are added in which order decides how roundings fall
    columns = (bundled(), drawn(options.seeds))
    for name in columns[0]:
        cells = (f"{min(each):.1e} / {statistics.median(each):.1e} / {max(each):.1e}" for each in (rows[name] for rows in columns))
        print(f"{name:34}", *(f"{cell:30}" for cell in cells))


if __name__ == "__main__":
    main()
