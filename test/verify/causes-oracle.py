#!/usr/bin/env python3
"""Golden files of networks in PyTorch that are GoogLeNet but for one thing, as a person might have made them.

    python causes-oracle.py CHECKPOINT FOLDER NAME

Each case changes the network, its input or what is saved; the layers are recorded as capture.py records them.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torchvision.models import googlenet

sys.path.insert(0, str(Path(__file__).parents[2] / "golden"))
from capture import layer_names, random_images  # noqa: E402
from causes_networks import NETWORKS  # noqa: E402

CHECKPOINT, FOLDER, NAME = sys.argv[1:]
STATE = torch.load(CHECKPOINT)
IMAGES, _ = random_images(4, 64, 11)
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
PIXELS = IMAGES * STD + MEAN


BYTES = (PIXELS * 255).round()
WIDE, _ = random_images(4, 72, 12)


def normalized(pixels):
    return (pixels - MEAN) / STD


def resized(size):
    return F.interpolate(IMAGES, size=size, mode="bilinear", align_corners=False)


def network(change=lambda net: None):
    net = googlenet(weights=None, aux_logits=False, init_weights=False)
    net.load_state_dict({key: value.clone() for key, value in STATE.items() if not key.startswith("aux")})
    net.eval()
    change(net)
    return net


@torch.no_grad()
def record(net, batch=IMAGES, saved=lambda logits: logits, images=IMAGES):
    held = {}
    modules = dict(net.named_modules())
    names = layer_names(net)
    for name in names:
        modules[name].register_forward_hook(
            lambda _module, _inputs, output, name=name: held.__setitem__(name, output.float().clone().contiguous())
        )
    logits = net(batch).float()
    activations = {name: held[name] for name in names if name in held}
    return {"input": images.clone(), "logits": saved(logits).clone(), "activations": activations}


def averaged(saved, mirrored_recorded):
    """Test-time augmentation: the layers are those of the first forward pass, or of the last."""
    first, mirrored = record(network()), record(network(), IMAGES.flip(3))
    logits = saved(first["logits"], mirrored["logits"])
    return {**(mirrored if mirrored_recorded else first), "logits": logits}


MEANS = {
    "mean-mirrored": lambda a, b: (a + b) / 2,
    "mean-softmax-mirrored": lambda a, b: (a.softmax(1) + b.softmax(1)) / 2,
    "sum-mirrored": lambda a, b: a + b,
}


def image_2(change):
    def apply(batch):
        batch = batch.clone()
        batch[2] = change(batch[2])
        return batch

    return apply


CLIP_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
CLIP_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)

INPUTS = {
    "clip": (PIXELS - CLIP_MEAN) / CLIP_STD,
    "mean-alone": PIXELS - MEAN,
    "half": (PIXELS - 0.5) / 0.5,
    "bgr": IMAGES.flip(1),
    "turned-image": torch.rot90(IMAGES, 1, (2, 3)),
    "shifted": F.pad(IMAGES, (1, 0, 0, 0))[..., :64],
    "other-crop": torch.cat([IMAGES[:, :, 3:], torch.randn(4, 3, 3, 64, generator=torch.Generator().manual_seed(1))], 2),
    "image-2-flipped": image_2(lambda image: image.flip(2))(IMAGES),
    "images-exchanged": IMAGES[[1, 0, 2, 3]],
    "blurred": F.avg_pool2d(IMAGES, 3, 1, 1, count_include_pad=False),
}
# PyTorch's own numbers for what was saved and what the network was given.
BOTH = {
    "divided-twice": (IMAGES, normalized(PIXELS / 255)),
    "divided-twice-saved": (normalized(PIXELS / 255), IMAGES),
    "divided-twice-raw": (PIXELS, normalized(PIXELS / 255)),
    "divided-twice-alone": (IMAGES, PIXELS / 255),
    "divided-twice-before": (PIXELS / 255, normalized(PIXELS / 255)),
    "divided-twice-saved-raw": (PIXELS / 255, IMAGES),
    "divided-after": (IMAGES, IMAGES / 255),
    "divided-after-saved": (IMAGES / 255, IMAGES),
    "undivided": (IMAGES, normalized(BYTES)),
    "undivided-saved": (normalized(PIXELS * 255), IMAGES),
    "bytes": (BYTES.byte(), normalized(BYTES / 255)),
    "bytes-rounded": (BYTES.byte(), IMAGES),
    "bytes-cut": ((PIXELS * 255).byte(), IMAGES),
    "image-2-bytes": (torch.cat([IMAGES[:2], PIXELS[2:3] * 255, IMAGES[3:]]), IMAGES),
    "caffe": (IMAGES, PIXELS.flip(1) * 255 - torch.tensor([104.0, 117, 123]).view(1, 3, 1, 1)),
    "bytes-run": (normalized(BYTES / 255), BYTES),
    "bytes-divided-twice": (BYTES.byte(), normalized(BYTES / 255 / 255)),
    "rounded-saved": (IMAGES.round(), IMAGES),
    "cut-saved": (IMAGES.int(), IMAGES),
    "rounded-run": (IMAGES, IMAGES.round()),
    "cut-run": (IMAGES, IMAGES.trunc()),
    "eight-bits-run": (IMAGES, normalized(BYTES / 255)),
    "eight-bits-cut-run": (IMAGES, normalized((PIXELS * 255 + 1e-4).floor() / 255)),
    "whole-division": (IMAGES, normalized(BYTES // 255)),
    "larger": (IMAGES, resized(96)),
    "larger-antialias": (IMAGES, F.interpolate(IMAGES, size=73, mode="bicubic", antialias=True)),
    "larger-nearest": (IMAGES, F.interpolate(IMAGES, size=128)),
    "smaller": (IMAGES, resized(48)),
    "larger-padded": (IMAGES, F.pad(IMAGES, (4, 4, 4, 4))),
    "larger-cropped": (WIDE[:, :, 5:69, 4:68].contiguous(), WIDE),
    "larger-centre": (WIDE[:, :, 4:68, 4:68].contiguous(), WIDE),
    "smaller-centre": (IMAGES, IMAGES[:, :, 4:60, 4:60]),
    "smaller-cropped": (IMAGES, IMAGES[:, :, 2:58, 5:61]),
    "larger-pictures": (IMAGES, WIDE),
}
LOGITS = {
    "softmax-2": lambda logits: (logits / 2).softmax(1),
    "softmax-half": lambda logits: (logits / 0.5).softmax(1),
    "log-softmax-2": lambda logits: (logits / 2).log_softmax(1),
    "less-maximum": lambda logits: logits - logits.max(1, keepdim=True).values,
    "less-first": lambda logits: logits - logits[:, :1],
    "scaled-less-maximum": lambda logits: (logits - logits.max(1, keepdim=True).values) / 3,
    "sorted": lambda logits: logits.sort(1).values,
    "sorted-down": lambda logits: logits.topk(1000).values,
    "softmax-sorted": lambda logits: logits.softmax(1).sort(1, descending=True).values,
    "float16": lambda logits: logits.half().float(),
    "sigmoid": torch.sigmoid,
    "log-softmax": lambda logits: logits.log_softmax(1),
    "class-shift": lambda logits: logits.roll(1, 1),
    "temperature": lambda logits: logits / 1.5,
    "row-2": lambda logits: torch.cat([logits[:2], logits[:1] * 0.5 + 1, logits[3:]]),
    "rows-exchanged": lambda logits: logits[[1, 0, 2, 3]],
}


def main():
    torch.set_num_threads(1)
    torch.manual_seed(7)
    records = {name: lambda change=change: record(network(change)) for name, change in NETWORKS.items()}
    records |= {name: lambda batch=batch: record(network(), batch) for name, batch in INPUTS.items()}
    records |= {name: lambda saved=saved: record(network(), IMAGES, saved) for name, saved in LOGITS.items()}
    records |= {
        name: lambda batch=batch, images=images: record(network(), batch, images=images)
        for name, (images, batch) in BOTH.items()
    }
    records |= {name: lambda saved=saved: averaged(saved, False) for name, saved in MEANS.items()}
    records |= {f"{name}-after": lambda saved=saved: averaged(saved, True) for name, saved in MEANS.items()}
    records["right"] = lambda: record(network())
    records["bfloat16"] = lambda: record(network().bfloat16(), IMAGES.bfloat16())
    torch.save(records[NAME](), f"{FOLDER}/{NAME}.pth")


main()
