"""Writes what PyTorch itself makes of torchvision's GoogLeNet in ONNX to the path that is named."""

import sys

import torch
import torchvision

model = torchvision.models.googlenet(aux_logits=False, init_weights=False).eval()
torch.onnx.export(model, torch.zeros(1, 3, 224, 224), sys.argv[1], opset_version=17)
