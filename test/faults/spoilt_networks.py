"""Mistakes with the network that a golden file is made by."""

import torch
import torch.nn.functional as F
from torchvision.models.googlenet import BasicConv2d, Inception


def modules(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


def with_transform(model):
    model.transform_input = True


def training(model):
    model.train()


def training_without_dropout(model):
    model.train()
    model.dropout.eval()


def dropout_alone(model):
    model.dropout.train()


def batch_statistics_in_one_block(model):
    model.inception4b.train()


def default_epsilon(model):
    for norm in modules(model, torch.nn.BatchNorm2d):
        norm.eps = 1e-5


def floor_pools(model):
    for pool in modules(model, torch.nn.MaxPool2d):
        pool.ceil_mode = False


def floor_first_pool(model):
    model.maxpool1.ceil_mode = False


def padded_pools(model):
    """Padding of one in place of `ceil_mode`, as in ResNet: the windows start one pixel earlier."""
    for pool in (model.maxpool1, model.maxpool2, model.maxpool3):
        pool.ceil_mode = False
        pool.padding = 1


def conv1_as_same(model):
    """Pads as TensorFlow's `same` does: of five rows of zeros, three at the end."""
    conv = model.conv1.conv
    conv.padding = (0, 0)
    conv.register_forward_pre_hook(lambda _module, inputs: (F.pad(inputs[0], (2, 3, 2, 3)),))


def conv1_unpadded(model):
    model.conv1.conv.padding = (0, 0)


def reordered(order):
    def spoil(model):
        for block in modules(model, Inception):
            reorder(block, order)

    return spoil


def reorder(block, order):
    branches = block._forward
    block.forward = lambda x: torch.cat([branches(x)[index] for index in order], 1)


def reorder_4d(model):
    reorder(model.inception4d, (0, 2, 1, 3))


def half(model):
    """Weights, and what every layer gives, rounded to float16; the sums stay in float32."""
    model.half().float()
    round_outputs(model, lambda x: x.half().float())


def half_weights(model):
    model.half().float()


def half_convolutions(model):
    """As under autocast: convolutions and linear layers take and give float16."""
    for module in modules(model, (torch.nn.Conv2d, torch.nn.Linear)):
        module.half().float()
        module.register_forward_pre_hook(lambda _module, inputs: (inputs[0].half().float(),))
        module.register_forward_hook(lambda _module, _inputs, output: output.half().float())


def brain_float(model):
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.bfloat16().float())
    round_outputs(model, lambda x: x.bfloat16().float())


def round_outputs(model, rounding):
    model.register_forward_pre_hook(lambda _module, inputs: (rounding(inputs[0]),))
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _module, _inputs, output: rounding(output))


def tf32_convolutions(model):
    """As cuDNN does on recent cards unless told otherwise."""
    for module in modules(model, torch.nn.Conv2d):
        tf32_layer(module)


def tf32_everything(model):
    for module in modules(model, (torch.nn.Conv2d, torch.nn.Linear)):
        tf32_layer(module)


def tf32_layer(module):
    module.weight.data = tf32(module.weight.data)
    module.register_forward_pre_hook(lambda _module, inputs: (tf32(inputs[0]),))


def tf32(x):
    """To 10 bits of mantissa, to nearest."""
    return ((x.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


def without_bias(model):
    model.fc.bias.data.zero_()


def leaky(model):
    for block in modules(model, BasicConv2d):
        block.forward = lambda x, block=block: F.leaky_relu(block.bn(block.conv(x)), 0.1)


SPOILT_NETWORKS = {
    "training": training,
    "training-without-dropout": training_without_dropout,
    "dropout-alone": dropout_alone,
    "batch-statistics-4b": batch_statistics_in_one_block,
    "epsilon": default_epsilon,
    "floor-pools": floor_pools,
    "floor-first-pool": floor_first_pool,
    "padded-pools": padded_pools,
    "conv1-same": conv1_as_same,
    "conv1-unpadded": conv1_unpadded,
    "branches-reversed": reordered((3, 2, 1, 0)),
    "branches-4d": reorder_4d,
    "half": half,
    "half-weights": half_weights,
    "half-convolutions": half_convolutions,
    "bfloat16": brain_float,
    "tf32": tf32_convolutions,
    "tf32-everything": tf32_everything,
    "fc-without-bias": without_bias,
    "leaky-relu": leaky,
}
