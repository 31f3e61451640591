"""Golden files with nothing wrong, however unusual."""

from dataclasses import replace

import torch
from torch import nn
from torchvision.models.googlenet import BasicConv2d

from ground import CASE, each, oracle, run


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
