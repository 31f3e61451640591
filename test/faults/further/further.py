#!/usr/bin/env python3
"""More mistakes that people make with PyTorch, one golden file each: `--seed N --out DIR [NAME...]`.

It writes `base.pth`, `base.golden.pth` and `transform.golden.pth`, which are right (the second with
`transform_input` on), and `NAME.golden.pth` for each name; some names come with a `NAME.pth` of their own.
A golden file holds what each block and each pool gave in the run that is recorded, and does not say how it
was made.
"""

import argparse
import copy
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune
from torchvision.models.googlenet import BasicConv2d, Inception

sys.path.append(str(Path(__file__).parents[2] / "helpers"))

import oracle  # noqa: E402

CASE = oracle.Case("further", 64, classes=20)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
RECORDED = (BasicConv2d, Inception, nn.Linear, *POOLS)
MEAN, STD = oracle.MEAN, oracle.STD


@dataclass
class Ground:
    """What a mistake is made with."""

    model: nn.Module
    batch: torch.Tensor
    out: Path

    def spoilt(self, spoil):
        other = copy.deepcopy(self.model)
        spoil(other)
        return other


# ---------------------------------------------------------------- a run


def run(model, given, saved=None):
    """A golden file's tensors; `saved` where the file holds another input than the network was given."""
    held, handles = {}, []

    def hook(name):
        return lambda _module, _inputs, output: held.__setitem__(name, output.detach().float().clone().contiguous())

    for name, module in model.named_modules():
        if isinstance(module, RECORDED) and not name.startswith("aux"):
            handles.append(module.register_forward_hook(hook(name)))
    output = model(given.clone())
    for handle in handles:
        handle.remove()
    logits = output if isinstance(output, torch.Tensor) else output.logits
    saved = given if saved is None else saved
    return {"input": saved.float().contiguous(), "logits": logits.detach().float().contiguous(), "activations": held}


def each(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


def at(model, name):
    return model.get_submodule(name)


# ---------------------------------------------------------------- BatchNorm, dropout, training


def batch_norm_by_batch(model):
    for norm in each(model, nn.BatchNorm2d):
        norm.track_running_stats, norm.running_mean, norm.running_var = False, None, None


def batch_norm_by_batch_in_5a(model):
    model.inception5a.train()


def statistics_reset(model):
    for norm in each(model, nn.BatchNorm2d):
        norm.reset_running_stats()


def statistics_reset_in_conv2(model):
    model.conv2.bn.reset_running_stats()


def epsilon(value, *names):
    def spoil(model):
        for norm in [at(model, name) for name in names] or each(model, nn.BatchNorm2d):
            norm.eps = value

    return spoil


def affine_lost(model):
    for norm in each(model, nn.BatchNorm2d):
        norm.reset_parameters()


def instance_norm(model):
    for block in each(model, BasicConv2d):
        norm = block.bn
        norm.forward = lambda x, norm=norm: F.instance_norm(x, weight=norm.weight, bias=norm.bias, eps=norm.eps)


def heavy_dropout(model):
    model.dropout.p = 0.5
    model.dropout.train()


# ---------------------------------------------------------------- precision and weights


def half_head(model):
    model.fc.half().float()
    model.fc.register_forward_pre_hook(lambda _module, inputs: (inputs[0].half().float(),))


def int8_weights(model):
    for conv in each(model, nn.Conv2d):
        scale = conv.weight.abs().amax((1, 2, 3)) / 127
        zero = torch.zeros_like(scale, dtype=torch.int32)
        conv.weight.data = torch.fake_quantize_per_channel_affine(conv.weight, scale, zero, 0, -128, 127)


def pruned(model):
    for conv in each(model, nn.Conv2d):
        prune.remove(prune.l1_unstructured(conv, "weight", 0.3), "weight")


def pruned_once(model):
    prune.remove(prune.l1_unstructured(model.inception4b.branch2[1].conv, "weight", 0.5), "weight")


def channel_lost(model):
    norm = model.conv2.bn
    norm.weight.data[11] = 0
    norm.bias.data[11] = 0


def redrawn(name):
    def spoil(model):
        nn.init.kaiming_normal_(at(model, name).weight, nonlinearity="relu")

    return spoil


def new_head(model):
    model.fc = nn.Linear(1024, CASE.classes)


def drifted(share):
    """All weights a little elsewhere, as an average of the last epochs has them, or another epoch."""

    def spoil(model):
        for weight in model.parameters():
            weight.data += share * weight.std(unbiased=False) * torch.randn_like(weight)

    return spoil


def bias_lost(model):
    model.fc.bias.data.zero_()


def bias_moved(model):
    model.fc.bias.data = model.fc.bias.data.roll(3)


def bias_of_one_class(model):
    model.fc.bias.data[4] += 0.5


def head_scaled(model):
    model.fc.weight.data *= 1.05
    model.fc.bias.data *= 1.05


def features_scaled(model):
    """As dropout before it was inverted: evaluation multiplies by the share that training keeps."""
    model.fc.register_forward_pre_hook(lambda _module, inputs: (0.8 * inputs[0],))


# ---------------------------------------------------------------- pools


def instead(name, pool):
    def spoil(model):
        parent, _, last = name.rpartition(".")
        setattr(at(model, parent), last, pool())

    return spoil


def average_in_branches(model):
    for block in each(model, Inception):
        block.branch4[0] = nn.AvgPool2d(3, stride=1, padding=1)


def floor_second_pool(model):
    model.maxpool2.ceil_mode = False


def wide_fourth_pool(model):
    model.maxpool4.kernel_size = 3


# ---------------------------------------------------------------- activations


def activated(function, *names):
    """Another function for ReLU in these blocks, or in all."""

    def spoil(model):
        for block in [at(model, name) for name in names] or each(model, BasicConv2d):
            block.forward = lambda x, block=block: function(block.bn(block.conv(x)))

    return spoil


def relu_first(model):
    for block in each(model, BasicConv2d):
        block.forward = lambda x, block=block: block.bn(F.relu(block.conv(x)))


def identity(x):
    return x


# ---------------------------------------------------------------- convolutions


def kernels(turn, *names):
    def spoil(model):
        for conv in [at(model, name).conv for name in names] or each(model, nn.Conv2d):
            conv.weight.data = turn(conv.weight.data).contiguous()

    return spoil


def rotate(kernel):
    return kernel.flip(2, 3)


def transpose(kernel):
    return kernel.transpose(2, 3)


def convolving(name, **settings):
    def spoil(model):
        for key, value in settings.items():
            setattr(at(model, name).conv, key, value)

    return spoil


def reflecting(*names):
    def spoil(model):
        for conv in [at(model, name).conv for name in names] or each(model, nn.Conv2d):
            conv.padding_mode = "reflect"

    return spoil


def concatenated(order, *names):
    def spoil(model):
        for block in [at(model, name) for name in names] or each(model, Inception):
            inner = block._forward
            block.forward = lambda x, inner=inner: torch.cat([inner(x)[index] for index in order], 1)

    return spoil


NETWORKS = {
    "batch-norm-by-batch": batch_norm_by_batch,
    "batch-norm-by-batch-5a": batch_norm_by_batch_in_5a,
    "statistics-reset": statistics_reset,
    "statistics-reset-conv2": statistics_reset_in_conv2,
    "epsilon-0.01": epsilon(1e-2),
    "epsilon-none": epsilon(1e-12),
    "epsilon-one": epsilon(1e-5, "inception3b.branch3.0.bn"),
    "affine-lost": affine_lost,
    "instance-norm": instance_norm,
    "heavy-dropout": heavy_dropout,
    "half-head": half_head,
    "int8": int8_weights,
    "pruned": pruned,
    "pruned-once": pruned_once,
    "channel-lost": channel_lost,
    "kernel-redrawn": redrawn("inception4c.branch2.1.conv"),
    "new-head": new_head,
    "averaged": drifted(0.02),
    "next-epoch": drifted(0.002),
    "bias-lost": bias_lost,
    "bias-moved": bias_moved,
    "bias-of-one-class": bias_of_one_class,
    "head-scaled": head_scaled,
    "features-scaled": features_scaled,
    "maxpool3-average": instead("maxpool3", lambda: nn.AvgPool2d(3, 2, ceil_mode=True)),
    "4e-average": instead("inception4e.branch4.0", lambda: nn.AvgPool2d(3, 1, 1)),
    "branches-average": average_in_branches,
    "avgpool-max": instead("avgpool", lambda: nn.AdaptiveMaxPool2d(1)),
    "maxpool2-floor": floor_second_pool,
    "maxpool4-wide": wide_fourth_pool,
    "conv1-linear": activated(identity, "conv1"),
    "4a-linear": activated(identity, "inception4a.branch3.0"),
    "conv3-relu6": activated(F.relu6, "conv3"),
    "relu6": activated(F.relu6),
    "leaky": activated(F.leaky_relu),
    "5a-leaky": activated(lambda x: F.leaky_relu(x, 0.2), "inception5a.branch1"),
    "silu": activated(F.silu),
    "linear": activated(identity),
    "relu-first": relu_first,
    "kernels-rotated": kernels(rotate),
    "kernels-transposed": kernels(transpose),
    "kernel-transposed": kernels(transpose, "inception4b.branch2.1"),
    "cat-2-3": concatenated((0, 2, 1, 3)),
    "cat-3a": concatenated((3, 0, 1, 2), "inception3a"),
    "conv3-reflects": reflecting("conv3"),
    "reflecting": reflecting(),
    "conv3-stride-2": convolving("conv3", stride=(2, 2)),
    "conv1-stride-1": convolving("conv1", stride=(1, 1)),
    "conv1-padding-2": convolving("conv1", padding=(2, 2)),
    "3b-dilated": convolving("inception3b.branch2.1", dilation=(2, 2), padding=(2, 2)),
}


# ---------------------------------------------------------------- what the network was given


def pixels(x):
    return x * STD + MEAN


def normalized(x, mean, std):
    triple = [torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std)]
    return (pixels(x) - triple[0]) / triple[1]


def moved(x):
    """As a crop that starts one pixel further, the last row and column twice."""
    return F.pad(x[:, :, 1:, 1:], (0, 1, 0, 1), mode="replicate")


def moved_over_zeros(x):
    return F.pad(x[:, :, :-1, :-1], (1, 0, 1, 0))


def second_raw(x):
    return torch.stack([x[0], 255 * pixels(x)[1]])


INPUTS = {
    "clip": lambda x: normalized(x, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "half-half": lambda x: 2 * pixels(x) - 1,
    "mean-alone": lambda x: pixels(x) - MEAN,
    "std-alone": lambda x: pixels(x) / STD,
    "caffe": lambda x: (255 * pixels(x) - torch.tensor([123.0, 117.0, 104.0]).view(1, 3, 1, 1)).flip(1),
    "255-normalized": lambda x: (255 * pixels(x) - MEAN) / STD,
    "255-twice": lambda x: (pixels(x) / 255 - MEAN) / STD,
    "rbg": lambda x: x[:, [0, 2, 1]],
    "rolled": lambda x: x.roll(1, 3),
    "moved": moved,
    "moved-over-zeros": moved_over_zeros,
    "upside-down": lambda x: x.flip(2),
    "turned": lambda x: x.rot90(1, (2, 3)),
    "half-input": lambda x: x.half().float(),
    "8-bit": lambda x: (pixels(x).mul(255).floor().div(255) - MEAN) / STD,
    "second-raw": second_raw,
    "second-mirrored": lambda x: torch.stack([x[0], x[1].flip(2)]),
}


# ---------------------------------------------------------------- what was saved as logits

LOGITS = {
    "sigmoid": torch.sigmoid,
    "softmax-of-half": lambda y: (y / 2).softmax(1),
    "temperature": lambda y: y / 1.5,
    "less-their-largest": lambda y: y - y.max(1, keepdim=True).values,
    "of-unit-length": lambda y: F.normalize(y, dim=1),
    "one-hot": lambda y: F.one_hot(y.argmax(1), y.shape[1]).float(),
    "sorted": lambda y: y.sort(1, descending=True).values,
    "classes-moved": lambda y: y.roll(-1, 1),
    "two-classes-swapped": lambda y: y[:, [0, 1, 9, *range(3, 9), 2, *range(10, y.shape[1])]],
    "classes-as-text": lambda y: y[:, sorted(range(y.shape[1]), key=str)],
    "half": lambda y: y.half().float(),
    "bfloat16": lambda y: y.bfloat16().float(),
    "two-decimals": lambda y: (100 * y).round() / 100,
    "negative": lambda y: -y,
    "second-as-first": lambda y: y[[0, 0]],
}


# ---------------------------------------------------------------- others


def training_with_four(ground):
    return run(ground.spoilt(lambda model: model.train()), oracle.images(4, CASE.size))


def autocast(ground):
    with torch.autocast("cpu", torch.bfloat16):
        return run(ground.model, ground.batch)


def bfloat16(ground):
    return run(ground.spoilt(lambda model: model.bfloat16()), ground.batch.bfloat16(), ground.batch)


def transform(x):
    return x * (STD / 0.5) + (MEAN - 0.5) / 0.5


def transforming(ground):
    return ground.spoilt(lambda model: setattr(model, "transform_input", True))


def transform_twice(ground):
    return run(transforming(ground), transform(ground.batch), ground.batch)


def transform_saved(ground):
    return run(transforming(ground), ground.batch, transform(ground.batch))


def larger(ground):
    """The network saw images of 96 pixels; the file has them in the size that the model takes."""
    given = oracle.images(2, 96)
    return run(ground.model, given, F.interpolate(given, size=64, mode="bilinear", antialias=True))


def mirrored_too(ground):
    golden, other = run(ground.model, ground.batch), ground.model(ground.batch.flip(3))
    return {**golden, "logits": (golden["logits"] + other) / 2}


def ensemble(ground):
    golden, other = run(ground.model, ground.batch), ground.spoilt(drifted(0.1))(ground.batch)
    return {**golden, "logits": (golden["logits"] + other) / 2}


def other_order(ground):
    given = oracle.images(4, CASE.size)
    return run(ground.model, given, given.roll(1, 0))


def other_batch(ground):
    return run(ground.model, oracle.images(2, CASE.size), ground.batch)


def auxiliary(ground):
    """The first auxiliary head's logits, of a checkpoint that has both heads."""
    model = oracle.build(replace(CASE, aux=CASE.classes))
    torch.save(model.state_dict(), ground.out / "auxiliary.pth")
    batch, _ = oracle.ask(model, CASE)
    golden = run(model, batch)
    return {**golden, "logits": model.aux1(golden["activations"]["inception4a"])}


def from_another(ground):
    """With a note of the checkpoint that it was made from, which is not the model's."""
    golden = run(ground.spoilt(drifted(0.1)), ground.batch)
    return {**golden, "provenance": {"checkpoint": "epoch-89.pth", "checkpoint_sha256": "ab" * 32}}


def photos():
    """Two photographs in landscape format, from 0 to 1."""
    return pixels(oracle.images(2, 160))[:, :, :120]


def crop(x):
    top, left = (x.shape[2] - CASE.size) // 2, (x.shape[3] - CASE.size) // 2
    return x[:, :, top : top + CASE.size, left : left + CASE.size]


def resized(x, size, mode="bilinear", antialias=True):
    return F.interpolate(x, size=size, mode=mode, antialias=antialias).clamp(0, 1)


def prepared(way):
    """The file has the photographs as torchvision prepares them, the network had them otherwise."""

    def make(ground):
        photo = photos()
        saved = crop(resized(photo, (72, 96)))
        return run(ground.model, (way(photo) - MEAN) / STD, (saved - MEAN) / STD)

    return make


def letterboxed(photo):
    return F.pad(resized(photo, (48, 64)), (0, 0, 8, 8))


OTHERS = {
    "training-with-four": training_with_four,
    "autocast": autocast,
    "in-bfloat16": bfloat16,
    "transform-twice": transform_twice,
    "transform-saved": transform_saved,
    "larger": larger,
    "mirrored-too": mirrored_too,
    "ensemble": ensemble,
    "other-order": other_order,
    "other-batch": other_batch,
    "auxiliary": auxiliary,
    "from-another": from_another,
    "bicubic": prepared(lambda photo: crop(resized(photo, (72, 96), "bicubic"))),
    "not-antialiased": prepared(lambda photo: crop(resized(photo, (72, 96), antialias=False))),
    "nearest": prepared(lambda photo: crop(F.interpolate(photo, size=(72, 96)))),
    "not-cropped": prepared(lambda photo: resized(photo, (64, 64))),
    "letterboxed": prepared(letterboxed),
}


# ---------------------------------------------------------------- nothing wrong


def in_float64(ground):
    return run(ground.spoilt(lambda model: model.double()), ground.batch.double(), ground.batch)


def channels_last(ground):
    model = ground.spoilt(lambda model: model.to(memory_format=torch.channels_last))
    return run(model, ground.batch.contiguous(memory_format=torch.channels_last))


def one_by_one(ground):
    golden = run(ground.model, ground.batch)
    return {**golden, "logits": torch.cat([ground.model(image[None]) for image in ground.batch])}


def traced(ground):
    frozen = torch.jit.freeze(torch.jit.trace(ground.model, ground.batch))
    return {"input": ground.batch, "logits": frozen(ground.batch)}


def fused(ground):
    def fuse(model):
        for block in each(model, BasicConv2d):
            block.conv = nn.utils.fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()

    return run(ground.spoilt(fuse), ground.batch)


def one_image(ground):
    return run(ground.model, ground.batch[:1])


def everything_recorded(ground):
    golden = run(ground.model, ground.batch)
    inner = {}
    handles = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: inner.__setitem__(name, output.clone()))
        for name, module in ground.model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Dropout))
    ]
    ground.model(ground.batch)
    for handle in handles:
        handle.remove()
    return {**golden, "activations": {**golden["activations"], **inner}}


def other_network(**settings):
    """Another network, with a checkpoint of its own."""

    def make(ground, name):
        case = replace(CASE, **settings)
        model = oracle.build(case)
        batch, _ = oracle.ask(model, case)
        torch.save(model.to(case.dtype).state_dict(), ground.out / f"{name}.pth")
        return run(model.float(), batch)

    return make


def dead_channels(ground, name):
    """A network whose training killed a third of the channels of three blocks."""

    def kill(model):
        for block in (model.conv2, model.inception3a.branch2[1], model.inception5b.branch1):
            third = block.bn.weight.numel() // 3
            block.bn.weight.data[:third] = 0
            block.bn.bias.data[:third] = -1

    model = ground.spoilt(kill)
    torch.save(model.state_dict(), ground.out / f"{name}.pth")
    return run(model, ground.batch)


SOUND = {
    "in-float64": in_float64,
    "channels-last": channels_last,
    "one-by-one": one_by_one,
    "traced": traced,
    "fused": fused,
    "one-image": one_image,
    "everything-recorded": everything_recorded,
}

SOUND_NETWORKS = {
    "paper-kernels": other_network(branch3=5),
    "half-checkpoint": other_network(dtype=torch.float16),
    "odd-size": other_network(size=47),
    "two-classes": other_network(classes=2, transform=True),
    "dead-channels": dead_channels,
}


# ---------------------------------------------------------------- output


def make(name, ground):
    if name in NETWORKS:
        return run(ground.spoilt(NETWORKS[name]), ground.batch)
    if name.startswith("given-"):
        return run(ground.model, INPUTS[name[6:]](ground.batch), ground.batch)
    if name.startswith("logits-"):
        golden = run(ground.model, ground.batch)
        return {**golden, "logits": LOGITS[name[7:]](golden["logits"])}
    if name in SOUND_NETWORKS:
        return SOUND_NETWORKS[name](ground, name)
    return {**OTHERS, **SOUND}[name](ground)


@torch.no_grad()
def write(names, seed, out):
    torch.manual_seed(seed)
    model = oracle.build(CASE)
    batch, _ = oracle.ask(model, CASE)
    ground = Ground(model, batch, out)
    torch.save(model.state_dict(), out / "base.pth")
    torch.save(run(model, batch), out / "base.golden.pth")
    torch.save(run(transforming(ground), batch), out / "transform.golden.pth")
    for name in names:
        # What one draws must not depend on which others are asked for.
        torch.manual_seed(seed + 1)
        torch.save(make(name, ground), out / f"{name}.golden.pth")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    write(options.names, options.seed, options.out)


if __name__ == "__main__":
    main()
