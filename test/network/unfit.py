"""GoogLeNets that are not to be converted as they are, and other networks, for unfit.test.ts.

    unfit.py make DIR               writes NAME.pth for each case
    unfit.py hint DIR NAME CODE     runs CODE where NAME was made: `model` is its network, `sd` its state dict,
                                    in.pth the file; then writes out.pth of sd, unless CODE has
    unfit.py networks DIR           writes the state dict of each kind of torchvision's classifiers, prints their names

Tensors are expanded, so that files stay small.
"""

import collections
import os
import sys

import torch
import torchvision
from torch import nn
from torchvision.models import googlenet


def network(**changes):
    model = googlenet(weights=None, num_classes=10, aux_logits=False, init_weights=False)
    for name, module in changes.items():
        setattr(model, name, module)
    return small(model).eval()


def small(model):
    """The same network with tensors of one number each."""
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.is_floating_point():
            tensor.data = torch.full((), 0.5).expand(tensor.shape)
    return model


class Wrapper(nn.Module):
    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.register_buffer(name, part) if isinstance(part, torch.Tensor) else setattr(self, name, part)


class Custom(torchvision.models.GoogLeNet):
    """A class of the user's own, whose forward may do anything."""


class Remembering(torchvision.models.GoogLeNet):
    """Has PyTorch's extra state, which may be anything."""

    def get_extra_state(self):
        return {"temperature": 2.0}

    def set_extra_state(self, state):
        self.temperature = state["temperature"]


class ScaledConv2d(nn.Conv2d):
    """One whose extra state is a tensor, and changes what it gives."""

    def forward(self, x):
        return super().forward(x) * self.get_extra_state()

    def get_extra_state(self):
        return torch.tensor(2.0)

    def set_extra_state(self, state):
        pass


def hook(module, inputs, output):
    return output


def each(model, change):
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            change(module)
    return model


def epsilon():
    model = network()
    model.inception3a.branch1.bn.eps = 1e-5
    return model


def stride():
    model = network()
    model.conv2.conv.stride = (2, 2)
    return model


def pool():
    return network(maxpool2=nn.AvgPool2d(3, 2, ceil_mode=True))


def floor_pool():
    model = network()
    model.maxpool3.ceil_mode = False
    return model


def custom():
    model = network()
    model.__class__ = Custom
    return model


def remembering():
    model = network()
    model.__class__ = Remembering
    return model


def scaled():
    model = network()
    model.conv2.conv.__class__ = ScaledConv2d
    return model


def hooked():
    model = network()
    model.register_forward_hook(hook)
    return model


def pruned():
    import torch.nn.utils.prune as prune

    model = network()
    prune.l1_unstructured(model.conv1.conv, "weight", amount=0.5)
    prune.random_unstructured(model.inception3b.branch2[1].conv, "weight", amount=0.1)
    return model


def parametrized():
    model = network()
    nn.utils.parametrizations.spectral_norm(model.conv2.conv)
    return model


def quantizable():
    make = torchvision.models.quantization.googlenet
    return small(make(weights=None, num_classes=10, aux_logits=False, init_weights=False, quantize=False)).eval()


def fused():
    model = quantizable()
    model.fuse_model()
    return small(model)


def quantization_aware():
    model = quantizable().train()
    model.fuse_model(is_qat=True)
    model.qconfig = torch.ao.quantization.get_default_qat_qconfig("qnnpack")
    return torch.ao.quantization.prepare_qat(model)


def quantized():
    torch.backends.quantized.engine = "qnnpack"
    model = quantizable()
    model.fuse_model()
    model.qconfig = torch.ao.quantization.default_qconfig
    torch.ao.quantization.prepare(model, inplace=True)
    model(torch.randn(2, 3, 32, 32))
    return torch.ao.quantization.convert(model)


def traced():
    return torch.fx.symbolic_trace(network())


def with_entry(key, value):
    sd = dict(network().state_dict())
    sd[key] = value
    return sd


# name: what is saved, or a network whose state dict is
CASES = {
    "second-head": lambda: Wrapper(model=network(), head=nn.Linear(1024, 5)).state_dict(),
    "second-head-of-logits": lambda: {"state_dict": Wrapper(net=network(), out=nn.Linear(10, 5)).state_dict()},
    "second-head-conv": lambda: Wrapper(net=network(), out=nn.Conv2d(1024, 5, 1)).state_dict(),
    "second-head-flat": lambda: Wrapper(net=network(), classifier=nn.Linear(1024, 5)).state_dict(),
    "two-networks": lambda: Wrapper(student=network(), teacher=network()).state_dict(),
    "normalising-wrapper": lambda: Wrapper(model=network(), mean=torch.zeros(3, 1, 1), std=torch.ones(3, 1, 1)).state_dict(),
    "normalising-flat": lambda: with_entry("mean", torch.zeros(3)),
    "neck": lambda: Wrapper(model=network(), neck=nn.Conv2d(3, 3, 3)).state_dict(),
    "extra-state": remembering,
    "extra-state-tensor": scaled,
    "extra-state-of-wrapper": lambda: {**{"model." + k: v for k, v in remembering().state_dict().items()}, "_extra_state": b"x"},
    "further-module": lambda: network(attention=nn.Conv2d(64, 64, 3)),
    "collision": lambda: {**network().state_dict(), "conv1._orig_mod.conv.weight": torch.zeros(1)},
    "collision-of-wrappers": lambda: {**{"module." + k: v for k, v in network().state_dict().items()}, "fc.bias": torch.zeros(10)},
    "head-of-layers": lambda: network(fc=nn.Sequential(nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10))),
    "head-with-norm": lambda: network(fc=nn.Sequential(nn.BatchNorm1d(1024), nn.Linear(1024, 10))),
    "head-in-sequential": lambda: network(fc=nn.Sequential(nn.Dropout(0.4), nn.Linear(1024, 10))),
    "head-in-data-parallel": lambda: nn.DataParallel(network(fc=nn.Sequential(nn.Dropout(0.4), nn.Linear(1024, 10)))),
    "opaque-tensor": lambda: with_entry("conv1.conv.weight", nn.Identity()),
    "sparse-tensor": lambda: with_entry("fc.weight", torch.zeros(10, 1024).to_sparse()),
    "numpy-tensor": lambda: with_entry("fc.bias", torch.zeros(10).numpy()),
    "text-tensor": lambda: with_entry("fc.bias", "x"),
    "none-tensor": lambda: with_entry("fc.bias", None),
    "pruned": pruned,
    "weight-norm": lambda: each(network(), nn.utils.weight_norm),
    "spectral-norm": lambda: each(network(), nn.utils.spectral_norm),
    "parametrized": parametrized,
    "fused": fused,
    "quantization-aware": quantization_aware,
    "quantized": quantized,
}

# name: the whole module that is saved
MODULES = {
    "module-quantized": quantized,
    "module-epsilon": epsilon,
    "module-stride": stride,
    "module-pool": pool,
    "module-floor-pool": floor_pool,
    "module-custom": custom,
    "module-scaled": scaled,
    "module-hooked": hooked,
    "module-traced": traced,
    "module-other": lambda: torchvision.models.resnet18(weights=None),
}


def make(folder):
    torch.manual_seed(0)
    for name, case in {**CASES, **MODULES}.items():
        value = case()
        if name in CASES and isinstance(value, nn.Module):
            value = value.state_dict()
        torch.save(value, os.path.join(folder, name + ".pth"))


def run_hint(folder, name, code):
    os.chdir(folder)
    torch.manual_seed(0)
    value = {**CASES, **MODULES}[name]()
    model = value if isinstance(value, nn.Module) else None
    scope = {"torch": torch, "model": model, "sd": model.state_dict() if model else value, "KEY": "fc.bias"}
    torch.save(scope["sd"], "in.pth")
    if os.path.exists("out.pth"):
        os.remove("out.pth")
    exec(code, scope)
    if not os.path.exists("out.pth"):
        torch.save(scope["sd"] if "sd[" in code or "sd." in code else model.state_dict(), "out.pth")


NETWORKS = """alexnet convnext_tiny densenet121 efficientnet_b0 inception_v3 mnasnet0_5 mobilenet_v2 mobilenet_v3_small
    regnet_y_400mf resnet18 resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_0 squeezenet1_1 swin_t vgg11 vgg11_bn vit_b_32
    wide_resnet50_2""".split()


def networks(folder):
    for name in NETWORKS:
        more = {"init_weights": False} if name == "inception_v3" else {}
        model = small(getattr(torchvision.models, name)(weights=None, **more))
        torch.save({"net." + key: value for key, value in model.state_dict().items()}, os.path.join(folder, name + ".pth"))
    print("\n".join(NETWORKS))


{"make": make, "hint": run_hint, "networks": networks}[sys.argv[1]](*sys.argv[2:])
