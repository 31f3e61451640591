"""The full-size GoogLeNet: one checkpoint of torchvision's network and logits that go with it.

The weights are synthetic, and chosen for two ends. They compress: a tensor holds four
distinct values. And the network is alive: weights follow He's scale, and the
BatchNorm statistics are those of a real batch, so that every layer passes signal on and the
logits of different images differ.
"""

import math

import torch

from capture import capture, provenance
from files import gzipped, saved, sha256
from truth import tensors_of

SEED = 1378
LEVELS = (-2.0, -0.5, 0.5, 2.0)
ODDS = (0.07, 0.43, 0.43, 0.07)
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


# ---------------------------------------------------------------- images


def gradient(size, seed):
    """Three ramps that run in different directions."""
    y, x = grid(size)
    ramps = [x, y, x + y] if seed % 2 == 0 else [size - x, x + y, size - y]
    return torch.stack([ramp * 255 // (2 * size) // 8 * 8 + 8 * (seed % 5) for ramp in ramps])


def blobs(size, seed):
    """Bright discs of rational fall-off, each in a colour of its own."""
    y, x = grid(size)
    image = torch.zeros(3, size, size, dtype=torch.int64)
    for index in range(4):
        centre = [(37 * (seed + 3) * (index + 1) + 59 * axis * (index + 2)) % size for axis in (1, 2)]
        distance = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
        glow = 255 * size * 4 // (size * 4 + distance) // 16 * 16
        image[(index + seed) % 3] += glow
        image[(index + seed + 1) % 3] += glow // 3
    return image.clamp(0, 255)


def stripes(size, seed):
    """Diagonal stripes of three widths, one for each channel."""
    y, x = grid(size)
    return torch.stack([(x + (channel + seed % 3) * y) // (5 + 3 * channel + seed % 7) % 2 * 220 + 15 for channel in range(3)])


def patches(size, seed):
    """A mosaic of squares in random colours out of four levels a channel."""
    generator = torch.Generator().manual_seed(seed)
    side = 6 + seed % 5
    tiles = math.ceil(size / side)
    colours = torch.randint(0, 4, (3, tiles, tiles), generator=generator) * 85
    return colours.repeat_interleave(side, 1).repeat_interleave(side, 2)[:, :size, :size]


KINDS = (gradient, blobs, stripes, patches)
LAYERED = [1, 3]
"""Which of the four images the file with all layers holds."""


def grid(size):
    line = torch.arange(size)
    return line.view(-1, 1).expand(size, size), line.view(1, -1).expand(size, size)


def images(size, count, seed=0):
    """`count` images of 8-bit samples, normalised the way ImageNet networks expect: [count, 3, size, size]."""
    samples = torch.stack([KINDS[index % 4](size, seed + index // 4) for index in range(count)])
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (samples.clamp(0, 255).float() / 255 - mean) / std


# ---------------------------------------------------------------- network


def few_bits(tensor, bits=8):
    """`tensor` with its mantissas rounded to `bits` bits: the same on every CPU, and easy to compress."""
    mantissa, exponent = torch.frexp(tensor.double())
    return torch.ldexp(torch.round(mantissa * 2**bits) / 2**bits, exponent).to(tensor.dtype)


def draw_weight(weight, gain, generator):
    """Fill `weight` with four levels whose variance is `gain` over its fan-in."""
    fan_in = weight[0].numel()
    deviation = math.sqrt(sum(odds * level**2 for odds, level in zip(ODDS, LEVELS)))
    scale = math.sqrt(gain / fan_in) / deviation
    levels = few_bits(torch.tensor(LEVELS, dtype=torch.float64) * scale).to(weight.dtype)
    picks = torch.multinomial(torch.tensor(ODDS), weight.numel(), replacement=True, generator=generator)
    weight.copy_(levels[picks].view_as(weight))


def draw(model):
    """Give every parameter of `model` its value, and every BatchNorm a count of batches."""
    generator = torch.Generator().manual_seed(SEED)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            draw_weight(module.weight, 2.0, generator)
        elif isinstance(module, torch.nn.Linear):
            draw_weight(module.weight, 2.0 if module.out_features == 1024 else 64.0, generator)
        elif isinstance(module, torch.nn.BatchNorm2d):
            count = module.num_features
            module.weight.copy_(0.5 + torch.randint(0, 65, (count,), generator=generator) / 64)
            module.bias.copy_(torch.randint(-16, 17, (count,), generator=generator) / 64)


def calibrate(model, batch):
    """Set the running statistics to those of `batch`, and centre what the linear layers give.

    All in float64: its rounding stays far below the bits that are kept.
    """
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    linears = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]

    def centre(module, _inputs, output):
        module.bias.copy_(-few_bits(output.mean(0)))
        return output + module.bias

    hooks = [module.register_forward_hook(centre) for module in linears]
    for module in linears:
        module.bias.zero_()
    for norm in norms:
        norm.momentum = None
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    model(batch)
    for hook in hooks:
        hook.remove()
    for index, norm in enumerate(norms):
        norm.running_mean.copy_(few_bits(norm.running_mean))
        norm.running_var.copy_(few_bits(norm.running_var))
        norm.num_batches_tracked.fill_(1000 + index)
        norm.momentum = 0.1


def build():
    """The network, ready to be saved: in evaluation mode, with parameters of float32."""
    import torchvision

    model = torchvision.models.googlenet(weights=None, aux_logits=True, init_weights=False, transform_input=False)
    model = model.double()
    draw(model)
    calibrate(model, images(224, 16, seed=20).double())
    return model.float().eval()


def golden(model, batch, checkpoint_sha256, images, layers=False):
    """The record of one forward pass, as capture.py writes it."""
    record = capture(model, batch, layers)
    record["provenance"] = provenance(
        "googlenet.pth",
        checkpoint_sha256,
        model.transform_input,
        record,
        tool="generate.py",
        preprocessing=f"synthetic images of 8 bits, mean {list(MEAN)}, std {list(STD)}",
        images=images,
        checkpoint_dtype="float32",
    )
    return record


# ---------------------------------------------------------------- files


def statistics(logits):
    return {
        "std": round(logits.std().item(), 4),
        "mean": round(logits.mean().item(), 4),
        "top1": logits.argmax(1).tolist(),
        "margin": [round((pair[0] - pair[1]).item(), 4) for pair in logits.topk(2).values],
    }


@torch.no_grad()
def generate(manifest):
    """Write the checkpoint and its goldens; they need torchvision."""
    torch.set_num_threads(1)
    manifest.begin("googlenet")
    model = build()
    checkpoint = add(manifest, "googlenet.pth.gz", model.state_dict())
    names = [kind.__name__ for kind in KINDS]

    def record(name, batch, indices, layers=False):
        chosen = [names[index] for index in indices]
        add(manifest, f"googlenet.{name}golden.pth.gz", golden(model, batch, checkpoint, chosen, layers))

    inputs = images(224, 4)
    record("", inputs, range(4))
    record("231.", images(231, 2)[1:].clone(), [1])
    record("64.layers.", images(64, 4)[LAYERED].clone(), LAYERED, layers=True)
    model.transform_input = True
    record("transform_input.", inputs[[1, 3]], [1, 3])


def add(manifest, name, value):
    """Save `value` as a gzipped zip archive; returns the SHA-256 of the archive itself."""
    data = saved(value)
    truth = {"inflated_bytes": len(data), "inflated_sha256": sha256(data), "tensors": tensors_of(value)}
    if "logits" in value:
        truth["statistics"] = statistics(value["logits"])
    manifest.add(name, gzipped(data), truth)
    return truth["inflated_sha256"]
