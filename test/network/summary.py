"""What PyTorch measures of torchvision's GoogLeNet, for summary.test.ts.

    summary.py IMAGE_SIZE NUM_CLASSES AUX     prints JSON: [path, output shape, parameters, MACs] of each module

Outputs are those of two images, without their number. Multiply-accumulates are those of convolutions and
linear layers: elements of the output, times the products that make one of them.
"""

import json
import sys

import torch
from torchvision.models import googlenet

size, classes, aux = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "aux"
model = googlenet(weights=None, num_classes=classes, aux_logits=aux, init_weights=False).train()
measured = {}


def watch(path):
    def hook(module, inputs, output):
        if not torch.is_tensor(output):
            output = output.logits
        macs = 0
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            macs = output[0].numel() * module.weight[0].numel()
        parameters = sum(p.numel() for p in module.parameters(recurse=False))
        measured[path] = [list(output.shape[1:]), parameters, macs]

    return hook


for path, module in model.named_modules():
    module.register_forward_hook(watch(path))
with torch.no_grad():
    model(torch.randn(2, 3, size, size))


def inside(path):
    return [p for p in measured if path == "" or p == path or p.startswith(path + ".")]


def total(path, field):
    """Of the network itself without its auxiliary heads, which inference does not run."""
    parts = [p for p in inside(path) if path != "" or not p.startswith("aux")]
    return sum(measured[p][field] for p in parts)


rows = [
    [path, measured[path][0], total(path, 1), total(path, 2)]
    for path, _ in model.named_modules()
]
print(json.dumps({"rows": rows, "print": str(model)}))
