"""Training of torchvision's GoogLeNet, as PyTorch does it: outputs, losses, gradients, running statistics, and
what some steps of SGD change. All in float64, beside how far PyTorch in float32 is from that.
"""

import copy
from dataclasses import dataclass
from functools import partial
from itertools import chain, count

import torch
import torch.nn.functional as F
from torchvision.models.googlenet import Inception, googlenet

from full import add, few_bits
from hashed import draw, draw_batch, signs, undrawn, uniform
from kinks import clear, first_clear

LEARNING_RATE = 0.001
MOMENTUM = 0.9
AUX_WEIGHT = 0.3
TAPS = {"aux2": "inception4d", "aux1": "inception4a"}
"""The heads beside `fc`, in the order of torchvision's outputs, and the blocks whose outputs they take."""


@dataclass
class Case:
    """A network, and how often it is trained with how many images."""

    name: str
    size: int
    images: int
    steps: int = 1
    classes: int = 10
    aux: bool = True
    transform: bool = False
    branch3: int = 3


# ---------------------------------------------------------------- network


def build(case, seed):
    """The network in float64, of numbers that float32 has, no value of whose first batch is near a kink; and
    how often each row of its kernels was drawn anew.
    """
    model = googlenet(
        weights=None,
        num_classes=case.classes,
        aux_logits=case.aux,
        transform_input=case.transform,
        init_weights=False,
        dropout=0.0,
        dropout_aux=0.0,
    )
    if case.branch3 == 5:
        widen(model)
    model.double()
    for key, parameter in model.named_parameters():
        draw(key, parameter, seed)
    images = batch_of(case, seed, 0)[0].double()
    draws = clear(model, images, lambda key, kernel, again: draw(key, kernel, seed, again))
    calibrate(model, images, seed)
    return model, draws


def batch_of(case, seed, number):
    """Images and labels; there is no end of them."""
    return draw_batch(case.size, case.images, case.classes, seed, number)


def widen(model):
    """Give branch3 the 5x5 kernels of the paper."""
    for block in model.children():
        if isinstance(block, Inception):
            old = block.branch3[1].conv
            block.branch3[1].conv = torch.nn.Conv2d(old.in_channels, old.out_channels, 5, padding=2, bias=False)


@torch.no_grad()
def calibrate(model, images, seed):
    """Set the running statistics somewhere near those of the images, and the counts of batches."""
    norms = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for _, norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()(images)
    for index, (name, norm) in enumerate(norms):
        shift = uniform(seed, name, undrawn(norm.num_features), 1)[:, 0] / 2
        norm.running_mean.copy_(few_bits(norm.running_mean + shift * norm.running_var.sqrt()))
        norm.running_var.copy_(few_bits(norm.running_var * (1 + shift)))
        norm.num_batches_tracked.fill_(1000 + index)
        norm.momentum = 0.1


# ---------------------------------------------------------------- training


class Run:
    """A model, trained with torch.optim.SGD in its precision."""

    def __init__(self, model):
        self.model = model
        self.initial = self.state()
        self.optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    def outputs(self, images, training):
        """What each head gives, `fc` first.

        torchvision 0.14 returns the auxiliary ones exchanged (pytorch/vision#8736), and in evaluation not at
        all. So what the modules themselves give is kept, or in evaluation asked for.
        """
        heads = ["fc", *TAPS] if self.model.aux_logits else ["fc"]
        found = {}
        hooks = [
            self.model.get_submodule(name).register_forward_hook(partial(keep, found, name))
            for name in ({*heads} if training else {"fc", *TAPS.values()})
        ]
        self.model.train(training)(images.to(self.model.fc.weight.dtype))
        for hook in hooks:
            hook.remove()
        for head in heads:
            if head not in found:
                found[head] = self.model.get_submodule(head)(found[TAPS[head]])
        return {head: found[head] for head in heads}

    @torch.no_grad()
    def evaluate(self, images):
        return self.outputs(images, training=False)

    def step(self, images, labels):
        """One step; returns the outputs and the losses, of each head and the total, and the gradients by key."""
        self.optimizer.zero_grad()
        outputs = self.outputs(images, training=True)
        losses = {head: F.cross_entropy(logits, labels) for head, logits in outputs.items()}
        losses["total"] = sum(loss * (1 if head == "fc" else AUX_WEIGHT) for head, loss in losses.items())
        losses["total"].backward()
        self.optimizer.step()
        gradients = {key: parameter.grad.clone() for key, parameter in self.model.named_parameters()}
        return detached(outputs), detached(losses), gradients

    def state(self):
        return {key: tensor.clone() for key, tensor in self.model.state_dict().items()}

    def changes(self):
        """Parameters and running statistics, less what they were at first."""
        return {
            key: tensor.double() - self.initial[key].double()
            for key, tensor in self.state().items()
            if tensor.is_floating_point()
        }

    def rounding(self):
        """How far float32 may be off since it cannot hold what a weight becomes: a unit in the last place."""
        return {key: 2**-23 * tensor.double().norm() for key, tensor in self.initial.items() if tensor.is_floating_point()}


def keep(found, name, _module, _inputs, output):
    found[name] = output


def detached(tensors):
    return {name: tensor.detach() for name, tensor in tensors.items()}


def train(case, seed, likely=()):
    """All that a case gives, and how often each row of its kernels was drawn anew. No value of a batch is near
    a kink; the `likely` numbers of such batches are tried before all others."""
    model, draws = build(case, seed)
    precise, single = Run(model), Run(copy.deepcopy(model).float())
    images, _ = batch_of(case, seed, 0)
    record = {
        "options": options(case),
        "optimizer": {"learning_rate": LEARNING_RATE, "momentum": MOMENTUM},
        "initial": single.state(),
        "outputs": compared(precise.evaluate(images), single.evaluate(images)),
        "steps": [take_step(precise, single, case, seed, 0)],
    }
    while len(record["steps"]) < case.steps:
        start = record["steps"][-1]["batch"] + 1
        numbers = chain((number for number in likely if number >= start), count(start))
        batches = ((number, batch_of(case, seed, number)[0]) for number in numbers)
        batch = first_clear(model, single.model, batches)
        record["steps"].append(take_step(precise, single, case, seed, batch))
    return record, draws


def options(case):
    return {
        "image_size": case.size,
        "num_classes": case.classes,
        "aux_logits": case.aux,
        "transform_input": case.transform,
        "branch3_kernel": case.branch3,
    }


def take_step(precise, single, case, seed, batch):
    images, labels = batch_of(case, seed, batch)
    outputs, losses, gradients = zip(precise.step(images, labels), single.step(images, labels))
    return {
        "batch": batch,
        "images": images,
        "labels": labels,
        "outputs": compared(*outputs),
        "losses": compared(*losses),
        "gradients": compared(*gradients),
        "changes": compared(precise.changes(), single.changes(), single.rounding()),
    }


def compared(precise, single, allowed=None):
    """The tensors of float64, by name; and as `floor`, how far those of float32 are from one of them at most,
    relatively, beyond what is allowed."""
    errors = {name: (single[name] - tensor).norm() - (allowed or {}).get(name, 0) for name, tensor in precise.items()}
    floor = max(0.0, *((error / precise[name].norm()).item() for name, error in errors.items()))
    return {"values": {name: tensor.float() for name, tensor in precise.items()}, "floor": floor}


# ---------------------------------------------------------------- files


CASES = {
    "training.pth.gz": Case("training", 15, 16, steps=3),
    "training.once.pth.gz": Case("once", 15, 8),
}
"""The second is for backends that take half a minute a step."""

SEED = 1378

PROJECTIONS = 16


def generate(manifest):
    """Write the trainings of CASES."""
    torch.set_num_threads(1)
    manifest.begin("training")
    for name in CASES:
        write(manifest, name)


def write(manifest, name):
    """Write the training of one network, small enough to be kept: what can be drawn again is left out, and
    of gradients and changes there are sketches."""
    case = CASES[name]
    record, draws = train(case, SEED)
    initial = record["initial"]
    record["initial"] = {
        "seed": SEED,
        "images": case.images,
        "draws": torch.cat([draws[key] for key in initial if key in draws]).to(torch.uint8),
        "running_mean": torch.cat([tensor for key, tensor in initial.items() if key.endswith("running_mean")]),
        "running_var": torch.cat([tensor for key, tensor in initial.items() if key.endswith("running_var")]),
    }
    for step in record["steps"]:
        del step["images"], step["labels"]
        for kept in ("gradients", "changes"):
            step[kept]["values"] = sketches(step[kept]["values"])
    if case.steps > 1:
        record["pools"] = torch.stack([F.adaptive_avg_pool2d(plane(size), 4) for size in range(1, 31)])
    add(manifest, name, record)


def plane(size):
    return uniform(SEED, f"plane{size}", undrawn(3), size**2).float().view(3, size, size)


def sketches(tensors):
    """A tensor of `[tensors, 1 + PROJECTIONS]`: of each tensor its norm, and its products with patterns of -1 and 1.

    Two tensors are as far apart as their products are: the mean of the squared differences of the latter
    is, over all patterns, the squared distance of the former.
    """
    return {"keys": list(tensors), "sketches": torch.stack([sketch(key, tensor) for key, tensor in tensors.items()])}


def sketch(key, tensor):
    flat = tensor.double().flatten()
    return torch.cat([flat.norm()[None], signs(0, key, PROJECTIONS, len(flat)).double() @ flat]).float()
