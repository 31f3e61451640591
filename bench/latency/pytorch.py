"""torchvision's GoogLeNet in PyTorch, as a contender as serve.js makes them, and as ONNX for others.

  pytorch.py serve gpu|cpu THREADS CHECKPOINT IMAGES.nchw
  pytorch.py export CHECKPOINT MODEL.onnx      (torch 2 wants the package onnx for it, 1.13 none)
"""

import gzip
import json
import os
import resource
import sys
import time

import numpy
import torch
from torchvision.models import googlenet


def load(checkpoint):
    model = googlenet(weights=None, transform_input=False, init_weights=False)
    file = gzip.open(checkpoint) if checkpoint.endswith(".gz") else checkpoint
    model.load_state_dict(torch.load(file))
    return model.eval()


def export(checkpoint, path):
    names = {"input_names": ["input"], "output_names": ["logits"]}
    axes = {"input": {0: "images"}, "logits": {0: "images"}}
    images = torch.zeros(1, 3, 224, 224)
    torch.onnx.export(load(checkpoint), images, path, **names, dynamic_axes=axes)


def serve(hardware, threads, checkpoint, path):
    device = "cuda" if hardware == "gpu" and torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(int(threads))
    model = load(checkpoint).to(device)
    images = numpy.fromfile(path, "float32").reshape(-1, 3, 224, 224)
    gpu = f" on {torch.cuda.get_device_name()}" if device == "cuda" else ""
    say({"version": torch.__version__ + gpu})
    for line in sys.stdin:
        request = json.loads(line)
        batch = numpy.resize(images, (request["images"], 3, 224, 224))
        started, before = time.perf_counter(), time.process_time()
        with torch.inference_mode():
            logits = model(torch.from_numpy(batch).to(device)).cpu().numpy()
        ms, cpu = 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - before)
        answer = {"ms": ms, "cpu": cpu, "peak": peak_memory()}
        say({**answer, "logits": logits.ravel().tolist()} if request["logits"] else answer)


def peak_memory():
    """In bytes. getrusage also counts what the parent held when it started this process."""
    if os.path.exists("/proc/self/status"):
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        return int(status["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def say(message):
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    {"serve": serve, "export": export}[sys.argv[1]](*sys.argv[2:])
