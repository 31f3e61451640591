"""torchvision's preprocessing of Pillow images, as a contender for preprocess.js: preprocess.py PIXELS"""

import hashlib
import json
import sys
import time

import PIL
import torchvision
from PIL import Image
from torchvision import transforms

pixels = open(sys.argv[1], "rb").read()
preprocess = transforms.Compose([
    transforms.Resize(256),
    transforms.CenterCrop(224),
    transforms.ToTensor(),
    transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
])
print(json.dumps({"pillow": PIL.__version__, "torchvision": torchvision.__version__}), flush=True)
for line in sys.stdin:
    width, height = json.loads(line)
    image = Image.frombytes("RGB", (width, height), pixels[: 3 * width * height])
    started = time.perf_counter()
    tensor = preprocess(image)
    ms = 1000 * (time.perf_counter() - started)
    values = tensor.permute(1, 2, 0).contiguous().numpy().tobytes()
    print(json.dumps({"ms": ms, "sha256": hashlib.sha256(values).hexdigest()}), flush=True)
