"""A small network with each operation that is written to ONNX, as no network of torchvision has them together.

    onnx-operators.py OUT     saves {"state_dict", "input", "logits"} to OUT; the logits are PyTorch's in float64
"""

import sys

import torch
from torch import nn


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3, eps=1e-3)
        self.grouped = nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.conv = nn.Conv2d(6, 4, (1, 1), bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)
        self.bn2 = nn.BatchNorm2d(4)
        self.fc1 = nn.Linear(8 * 5 * 5, 7, bias=False)
        self.fc2 = nn.Linear(7, 5)

    def forward(self, x):
        x = self.norm(x)
        x = self.pool(torch.relu(self.grouped(x)))
        x = torch.relu(self.bn(self.conv(x)))
        x = torch.cat([self.bn2(self.depthwise(x)), x], 1)
        return self.fc2(torch.relu(self.fc1(torch.flatten(x, 1))))


torch.manual_seed(3)
model = Odd().eval()
for module in model.modules():
    if isinstance(module, nn.BatchNorm2d):
        for tensor, low in ((module.weight, 0.5), (module.bias, -1), (module.running_mean, -1), (module.running_var, 0.5)):
            nn.init.uniform_(tensor, low, low + 1)
# With ceil_mode a window more: 15 is halved to 8, and pooled to 5, where 4 windows fit.
images = torch.randn(3, 3, 15, 15)
state_dict = {key: tensor.clone() for key, tensor in model.state_dict().items()}
with torch.no_grad():
    logits = model.double()(images.double())
torch.save({"state_dict": state_dict, "input": images, "logits": logits}, sys.argv[1])
