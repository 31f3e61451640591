"""What PyTorch says of torchvision's SqueezeNet 1.1, for network.test.ts.

    network.py OUT     saves {"state_dict", "input", "logits"} to OUT, and prints JSON: the printed tree, and
                       [key, shape] of each entry of the state dict
"""

import json
import sys

import torch
from torchvision.models import squeezenet1_1

torch.manual_seed(1)
model = squeezenet1_1(weights=None).eval()
images = torch.randn(2, 3, 65, 65)
with torch.no_grad():
    logits = model(images)
state_dict = model.state_dict()
torch.save({"state_dict": state_dict, "input": images, "logits": logits}, sys.argv[1])
print(json.dumps({"print": str(model), "keys": [[k, list(v.shape)] for k, v in state_dict.items()]}))
