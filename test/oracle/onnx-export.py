"""Writes what PyTorch itself makes of torchvision's GoogLeNet in ONNX: `onnx-export.py OUT [STATE_DICT SIZE]`."""

import gzip
import io
import sys
from pathlib import Path

import torch
import torchvision

out, *rest = sys.argv[1:]
model = torchvision.models.googlenet(aux_logits=False, init_weights=False).eval()
if rest:
    state = torch.load(io.BytesIO(gzip.decompress(Path(rest[0]).read_bytes())))
    model.load_state_dict({key: tensor for key, tensor in state.items() if not key.startswith("aux")})
size = int(rest[1]) if rest else 224
torch.onnx.export(model, torch.zeros(1, 3, size, size), out, opset_version=17)
