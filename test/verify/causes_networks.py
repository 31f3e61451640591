"""Networks that are GoogLeNet but for one thing, for causes-oracle.py."""

import torch
import torch.nn.functional as F
from torch import nn


def norms(net):
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def each_norm(change):
    return lambda net: [change(norm) for norm in norms(net)]


def each_kernel(change):
    def apply(net):
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = change(module.weight.data).contiguous()

    return apply


def bias(net):
    net.fc.bias.data += torch.linspace(-1, 1, 1000)


def scaled(net):
    net.fc.weight.data *= 1.25
    net.fc.bias.data *= 1.25


def batch_norm_of_batch(net):
    for norm in norms(net):
        norm.train()


def without_relu(net):
    block = net.inception4a.branch2[1]
    block.forward = lambda x: block.bn(block.conv(x))


def average_pool(net):
    net.maxpool2 = nn.AvgPool2d(3, 2, ceil_mode=True)


def branch_pool(net):
    net.inception3b.branch4[0] = nn.AvgPool2d(3, 1, 1)


def maximum(net):
    net.avgpool = nn.AdaptiveMaxPool2d(1)


def dilated(net):
    conv = net.inception3a.branch2[1].conv
    conv.dilation = conv.padding = (2, 2)


def unpadded(net):
    net.conv1.conv.padding = (0, 0)


def strided(net):
    net.conv1.conv.stride = (1, 1)


def turned(net):
    net.conv3.conv.weight.data = net.conv3.conv.weight.data.flip(2, 3).contiguous()


def one_weight(net):
    net.inception4d.branch2[1].conv.weight.data[5, 6, 1, 1] += 1


def dropped(net):
    net.dropout.train()


def skipped(net):
    net.inception4b = nn.Identity()


def epsilon(value):
    return each_norm(lambda norm: setattr(norm, "eps", value))


def one_epsilon(net):
    net.inception5a.branch1.bn.eps = 1e-5


def mixed(net):
    block = net.inception4e
    block.forward = lambda x: torch.cat([block.branch2(x), block.branch1(x), block.branch3(x), block.branch4(x)], 1)


def noise(net):
    torch.manual_seed(3)
    net.fc.weight.data += 0.5 * net.fc.weight.data.std() * torch.randn(1000, 1024)


def swap_norms(make):
    """Another normalisation in place of each BatchNorm2d; it takes weight and bias where it has such."""

    def apply(net):
        for block in blocks(net):
            norm = make(block.bn.num_features)
            own = [(a, b) for a, b in zip(norm.parameters(), (block.bn.weight, block.bn.bias)) if a.shape == b.shape]
            for parameter, value in own:
                parameter.data.copy_(value.data)
            block.bn = norm.eval()

    return apply


class PixelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def blocks(net):
    return [module for module in net.modules() if type(module).__name__ == "BasicConv2d"]


def each_block(forward):
    """Another order of convolution, BatchNorm and ReLU in every block."""

    def apply(net):
        for block in blocks(net):
            block.forward = lambda x, block=block: forward(block, x)

    return apply


def prelu(net):
    generator = torch.Generator().manual_seed(5)
    for block in blocks(net):
        slopes = 0.3 * torch.rand(block.bn.num_features, generator=generator)
        block.forward = lambda x, block=block, slopes=slopes: F.prelu(block.bn(block.conv(x)), slopes)


def one_instance_norm(net):
    block = net.inception3b.branch2[1]
    block.bn = nn.InstanceNorm2d(192)


def exchanged(*names):
    """Tensors of two layers, each in the other's place."""

    def apply(net):
        one, other = (dict(net.named_modules())[name] for name in ("inception4b.branch4.1", "inception4c.branch4.1"))
        for name in names:
            a, b = (block.get_parameter(name) if "running" not in name else block.get_buffer(name) for block in (one, other))
            a.data, b.data = b.data.clone(), a.data.clone()

    return apply


LAYER = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")


def fc_in_half(net):
    fc = net.fc
    weight, bias = fc.weight.half().float(), fc.bias.half().float()
    fc.forward = lambda x: F.linear(x.half().float(), weight, bias).half().float()


def to_uint8(kernel):
    scale = ((kernel.max() - kernel.min()) / 255).item()
    zero = int(torch.round(-kernel.min() / scale))
    return torch.quantize_per_tensor(kernel, scale, zero, torch.quint8).dequantize()


def to_int8(kernel):
    scale = (kernel.abs().amax((1, 2, 3)) / 127).double()
    zero = torch.zeros(len(scale), dtype=torch.long)
    return torch.quantize_per_channel(kernel, scale, zero, 0, torch.qint8).dequantize()


def other_checkpoint(net):
    generator = torch.Generator().manual_seed(9)
    for value in net.state_dict().values():
        if value.is_floating_point():
            value.copy_(value.flatten()[torch.randperm(value.numel(), generator=generator)].view_as(value))


NETWORKS = {
    "fc-bias-lost": lambda net: net.fc.bias.data.zero_(),
    "fc-bias": bias,
    "fc-scaled": scaled,
    "fc-noise": noise,
    "dropout": dropped,
    "training": lambda net: net.train(),
    "norm-of-batch": batch_norm_of_batch,
    "norm-reset": each_norm(lambda norm: norm.reset_running_stats()),
    "epsilon-1e-2": epsilon(1e-2),
    "epsilon-one": one_epsilon,
    "no-relu": without_relu,
    "average-pool": average_pool,
    "branch-pool": branch_pool,
    "maximum": maximum,
    "dilated": dilated,
    "unpadded": unpadded,
    "strided": strided,
    "turned": turned,
    "all-turned": each_kernel(lambda kernel: kernel.flip(2, 3)),
    "one-weight": one_weight,
    "block-skipped": skipped,
    "branches-mixed": mixed,
    "instance-norm": swap_norms(lambda c: nn.InstanceNorm2d(c, eps=1e-3, affine=True)),
    "instance-norm-bare": swap_norms(nn.InstanceNorm2d),
    "instance-norm-one": one_instance_norm,
    "group-norm": swap_norms(lambda c: nn.GroupNorm(8, c)),
    "layer-norm": swap_norms(lambda c: nn.GroupNorm(1, c)),
    "pixel-norm": swap_norms(PixelNorm),
    "no-norm": swap_norms(lambda c: nn.Identity()),
    "relu-first": each_block(lambda block, x: block.bn(F.relu(block.conv(x)))),
    "relu-before": each_block(lambda block, x: block.bn(block.conv(F.relu(x)))),
    "silu": each_block(lambda block, x: F.silu(block.bn(block.conv(x)))),
    "relu-cut": each_block(lambda block, x: F.hardtanh(block.bn(block.conv(x)), 0, 1.5)),
    "prelu": prelu,
    "softsign-first": each_block(lambda block, x: F.relu(block.bn(F.softsign(block.conv(x))))),
    "weight-norm": each_kernel(lambda kernel: kernel / kernel.flatten(1).norm(dim=1).view(-1, 1, 1, 1)),
    "biases-lost": each_norm(lambda norm: norm.bias.data.zero_()),
    "kernels-exchanged": exchanged("conv.weight"),
    "layers-exchanged": exchanged(*LAYER),
    "fc-in-half": fc_in_half,
    "uint8": each_kernel(to_uint8),
    "int8": each_kernel(to_int8),
    "other-checkpoint": other_checkpoint,
}
