"""Checkpoints of GoogLeNet for export.test.ts, and PyTorch's view of what came back.

    export.py cases DIR               prints the names of the checkpoints that it makes
    export.py make DIR NAME --seed N  writes NAME.pth, and input.pth
    export.py check DIR NAME          compares NAME.zip.pth and NAME.legacy.pth with NAME.pth: prints one line each
    export.py logits DIR NAME OTHER   prints how far OTHER's logits are from NAME's, relatively
    export.py run DIR NAME            prints the logits for NAME.json, {"shape": [...], "images": NHWC}, as JSON
"""

import argparse
import copy
import json
import os
import sys

import torch
from torchvision.models import googlenet


def network(classes=10, aux=True, kernel=3):
    model = googlenet(weights=None, num_classes=classes, aux_logits=aux, init_weights=False)
    if kernel == 5:
        for name, module in model.named_modules():
            if name.endswith("branch3.1.conv"):
                out, into = module.weight.shape[:2]
                module.weight = torch.nn.Parameter(0.1 * torch.randn(out, into, 5, 5))
                module.padding = (2, 2)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
            module.num_batches_tracked += 2**40 + 1
    return model


def uneven(model):
    """Another count of batches for each BatchNorm, as after freezing some of them."""
    for i, module in enumerate(m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        module.num_batches_tracked.fill_(i)
    return model


def other_head(model):
    model.fc = torch.nn.Linear(1024, 3)
    return model


def special(model):
    """Numbers that arithmetic would not leave as they are."""
    with torch.no_grad():
        model.fc.weight[0, :5] = torch.tensor([float("inf"), -float("inf"), float("nan"), -0.0, 1e-42])
    return model


CASES = {
    "float32": lambda: network(),
    "without-aux": lambda: network(aux=False),
    "kernel-5": lambda: network(kernel=5),
    "other-head": lambda: other_head(network()),
    "uneven": lambda: uneven(network()),
    "special": lambda: special(network()),
    "float16": lambda: network().half(),
    "bfloat16": lambda: network().bfloat16(),
}


def make(folder, name, seed):
    torch.manual_seed(seed)
    torch.save(CASES[name]().state_dict(), os.path.join(folder, f"{name}.pth"))
    torch.save(torch.randn(4, 3, 64, 64), os.path.join(folder, "input.pth"))


def load(folder, name):
    return torch.load(os.path.join(folder, f"{name}.pth"), weights_only=True)


def fitting(state):
    """A model of torchvision's that takes the state dict strictly."""
    aux = "aux1.fc2.bias" in state
    model = network(state["aux1.fc2.bias" if aux else "fc.bias"].numel(), aux)
    if state["fc.bias"].numel() != model.fc.out_features:
        model.fc = torch.nn.Linear(1024, state["fc.bias"].numel())
    if state["inception3a.branch3.1.conv.weight"].shape[2] == 5:
        model = network(state["fc.bias"].numel(), aux, kernel=5)
    model.load_state_dict(state, strict=True)
    return model.eval()


def bits(tensor):
    return tensor.reshape(-1).contiguous().view(torch.uint8)


def difference(expected, found):
    if list(found) != list(expected):
        return f"keys {list(found)[:3]}..."
    if getattr(found, "_metadata", None) != expected._metadata:
        return "_metadata"
    for key, tensor in expected.items():
        other = found[key]
        if other.dtype != tensor.dtype or other.shape != tensor.shape or other.stride() != tensor.stride():
            return f"{key}: {other.dtype} {tuple(other.shape)} {other.stride()}"
        if not torch.equal(bits(other), bits(tensor)):
            return f"{key}: other bits"
    return None


def check(folder, name):
    expected = load(folder, name)
    for container in ("zip", "legacy"):
        found = load(folder, f"{name}.{container}")
        fitting(copy.copy(found))
        print(f"{container}: {difference(expected, found) or 'the same'}")


def logits(folder, name, other):
    images = load(folder, "input")
    with torch.no_grad():
        expected, found = (fitting(load(folder, each))(images) for each in (name, other))
    print(((found - expected).norm() / expected.norm()).item())


def run(folder, name):
    with open(os.path.join(folder, f"{name}.json")) as file:
        batch = json.load(file)
    images = torch.tensor(batch["images"]).view(batch["shape"]).permute(0, 3, 1, 2)
    with torch.no_grad():
        print(json.dumps(fitting(load(folder, name))(images).flatten().tolist()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["cases", "make", "check", "logits", "run"])
    parser.add_argument("folder")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.action == "cases":
        print("\n".join(CASES))
    elif args.action == "make":
        make(args.folder, *args.names, args.seed)
    elif args.action == "check":
        check(args.folder, *args.names)
    elif args.action == "run":
        run(args.folder, *args.names)
    else:
        logits(args.folder, *args.names)
    sys.stdout.flush()
