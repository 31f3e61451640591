#!/usr/bin/env python3
"""Checkpoints, photographs, and what PyTorch gives for them, without capture.py: `captures.py DIR PART`, where the
part `photographs` comes before the others.

The weights are those of golden/googlenet.pth.gz, wrapped in the ways that people save theirs.
Where the name of a case is `x`, DIR gets the checkpoint `x.pth` (or `x.pth.gz`) and the truth
`x.truth.pth`. `captures.py --distance CHECKPOINT GOLDEN` prints how far a golden file's logits lie from
those of a fresh model, with all images in one batch.
"""

import gzip
import io
import sys
from collections import OrderedDict
from pathlib import Path

import numpy
import torch
from PIL import Image
from torchvision import transforms
from torchvision.models import GoogLeNet_Weights, googlenet

BUNDLED = Path(__file__).parents[2] / "golden" / "googlenet.pth.gz"
LAYERS = ("BasicConv2d", "Inception", "MaxPool2d", "AdaptiveAvgPool2d", "Linear")


def network(classes=1000, aux=None, transform_input=False):
    """The bundled network; with other heads where other numbers of classes are asked for."""
    model = googlenet(weights=None, aux_logits=True, init_weights=False, transform_input=transform_input)
    model.load_state_dict(torch.load(io.BytesIO(gzip.decompress(BUNDLED.read_bytes()))))
    if classes != 1000:
        model.fc = torch.nn.Linear(1024, classes)
    if aux:
        model.aux1.fc2, model.aux2.fc2 = torch.nn.Linear(1024, aux), torch.nn.Linear(1024, aux)
    return model.eval()


def widened(model):
    """branch3 with 5x5 kernels, whose border is new."""
    for block in model.modules():
        if type(block).__name__ == "Inception":
            old = block.branch3[1].conv
            new = torch.nn.Conv2d(old.in_channels, old.out_channels, 5, padding=2, bias=False)
            new.weight.normal_(std=0.2 * old.weight.std().item())
            new.weight[:, :, 1:4, 1:4] = old.weight
            block.branch3[1].conv = new
    return model


def photographs(folder):
    """Files of the kinds that people have: JPEG, and PNG with transparency, a palette, and greys."""
    random = numpy.random.RandomState(7)

    def picture(width, height, channels):
        small = random.randint(0, 256, (7, 9, channels), dtype=numpy.uint8)
        return Image.fromarray(small).resize((width, height), Image.BICUBIC)

    picture(400, 300, 3).save(folder / "wide.jpg", quality=90)
    picture(250, 333, 4).save(folder / "clear.png")
    picture(301, 257, 3).convert("P").save(folder / "palette.png")
    picture(256, 256, 3).convert("L").save(folder / "grey.png")
    (folder / "no.png").write_text("this is no picture")


def truth(model, folder, files, prepare):
    """The batch of some files, the logits, and what each layer gave for them."""
    outputs = {}
    for name, module in model.named_modules():
        if type(module).__name__ in LAYERS and not name.startswith("aux"):
            module.register_forward_hook(lambda _m, _i, output, name=name: outputs.update({name: output.clone()}))
    batch = torch.stack([prepare(Image.open(folder / name).convert("RGB")) for name in files])
    return {"input": batch, "logits": model(batch), "activations": outputs}


def write_parallel(folder):
    """As DataParallel in a training script, with both heads; prepared as torchvision does."""
    model = network()
    state = OrderedDict((f"module.{key}", tensor) for key, tensor in model.state_dict().items())
    torch.save({"state_dict": state, "epoch": 3}, folder / "parallel.pth")
    prepare = GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    torch.save(truth(model, folder, ["wide.jpg", "clear.png", "palette.png"], prepare), folder / "parallel.truth.pth")


def write_half(folder):
    """Half precision, in the old container, without the heads, for 7 classes, on images of 96x96."""
    model = network(classes=7).half()
    state = {key: tensor for key, tensor in model.state_dict().items() if not key.startswith("aux")}
    torch.save(state, folder / "half.pth", _use_new_zipfile_serialization=False)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    steps = [transforms.Resize(110), transforms.CenterCrop(96), transforms.ToTensor(), transforms.Normalize(mean, std)]
    torch.save(truth(model.float(), folder, ["grey.png", "wide.jpg"], transforms.Compose(steps)), folder / "half.truth.pth")


def write_paper(folder):
    """5x5 kernels, gzipped, other heads, no counters, transform_input; keys as torch.compile has them."""
    model = widened(network(classes=5, aux=3, transform_input=True))
    state = {f"_orig_mod.{key}": tensor for key, tensor in model.state_dict().items() if "num_batches" not in key}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    (folder / "paper.pth.gz").write_bytes(gzip.compress(buffer.getvalue(), 1))
    (folder / "paper.pth").write_bytes(buffer.getvalue())
    prepare = GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    torch.save(truth(model, folder, ["wide.jpg"], prepare), folder / "paper.truth.pth")


def write_odd(folder):
    """Checkpoints that need a choice, or cannot be used."""
    state = network().state_dict()
    other = {key: 0.9 * tensor if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    torch.save({"model": state, "ema": other}, folder / "two.pth")
    torch.save({key: tensor for key, tensor in state.items() if not key.startswith("fc.")}, folder / "headless.pth")
    torch.save({"layer.weight": torch.ones(3)}, folder / "foreign.pth")
    torch.save({**state, "notes": Path("x")}, folder / "object.pth")
    broken = {**state, "conv2.bn.bias": torch.full((64,), float("nan"))}
    torch.save(broken, folder / "nan.pth")
    whole = network(transform_input=True)
    torch.save({"model": torch.nn.DataParallel(whole)}, folder / "whole.pth")
    whole.conv1.bn.eps = 1e-5
    torch.save(whole, folder / "epsilon.pth")


def distance(checkpoint, golden):
    """‖Δ‖/‖ref‖ of all logits, the reference in one batch."""
    model = googlenet(weights=None, aux_logits=True, init_weights=False, transform_input=False).eval()
    model.load_state_dict({key[7:]: tensor for key, tensor in torch.load(checkpoint)["state_dict"].items()})
    record = torch.load(golden)
    reference = model(record["input"])
    return ((record["logits"] - reference).norm() / reference.norm()).item()


PARTS = {
    "photographs": photographs,
    "parallel": write_parallel,
    "half": write_half,
    "paper": write_paper,
    "odd": write_odd,
}


@torch.no_grad()
def main():
    if sys.argv[1] == "--distance":
        print(distance(*sys.argv[2:]))
        return
    torch.manual_seed(3)
    folder, part = sys.argv[1:]
    PARTS[part](Path(folder))


if __name__ == "__main__":
    main()
