"""Mistakes with the network, and with how it is run."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune
from torchvision.models.googlenet import BasicConv2d, Inception

from ground import CASE, at, each


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
