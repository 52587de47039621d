"""checkpoints.py FOLDER -- files that torch.save makes, of everything that training programs put into them, against what rn-import reads.
Speaks TAP. Each is saved as a zip archive with protocols 2 to 5, and in the format before it. What must be right: every tensor with its
name, shape and numbers and exit 0, or exit 3 and one line with the words that are given; never anything else."""
import argparse
import collections
import copy
import datetime
import decimal
import fractions
import functools
import io
import os
import pathlib
import random
import subprocess
import sys
import types
import uuid

import msgpack
import msgpack_numpy
import numpy as np

try:
    import torch
    import torchvision
    from torch import nn
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
except ImportError:
    print("ok 1 - checkpoints of PyTorch # skip not installed")
    sys.exit(0)

number = failed = 0
torch.manual_seed(5)


class Small(nn.Module):
    """Names as a ResNet has them, and small."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
        self.fc = nn.Linear(4, 6)

    def forward(self, x):
        return self.fc(self.layer1(self.bn1(self.conv1(x))).mean((2, 3)))


class Held(nn.Module):
    def __init__(self, name, part):
        super().__init__()
        setattr(self, name, part)


def net():
    model = Small()
    for p in list(model.parameters()) + list(model.buffers()):
        if p.is_floating_point():
            p.data.normal_()
    return model


def trained(model, optimiser):
    for _ in range(2):
        optimiser.zero_grad()
        model(torch.randn(2, 3, 8, 8)).sum().backward()
        optimiser.step()
    return model, optimiser


def verdict(name, problem):
    global number, failed
    number += 1
    failed += problem is not None
    print("%s %d - %s" % ("ok" if problem is None else "not ok", number, name), flush=True)
    if problem is not None:
        print("# %s" % str(problem).replace("\n", "\n# "))


def rn_import(path, *options):
    done = subprocess.run(["rn-import", *options, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    items = list(msgpack.Unpacker(io.BytesIO(done.stdout), object_hook=msgpack_numpy.decode)) if done.returncode == 0 else []
    return done.returncode, {i["name"]: np.array(i["value"]) for i in items if "name" in i}, done.stderr.decode()


def differs(found, should):
    """What is wrong, or None."""
    if set(found) != set(should):
        return "names: %s" % sorted(set(found) ^ set(should))[:4]
    for name, tensor in should.items():
        tensor = tensor.detach().resolve_neg()
        whole = not tensor.is_floating_point()
        value = tensor.to(torch.int64 if whole else torch.float32).numpy() if tensor.dtype not in (torch.uint8, torch.bool) else tensor.numpy().astype(np.uint8)
        if found[name].shape != value.shape or not np.array_equal(found[name], value, equal_nan=not whole):
            return "%s: %s, not %s" % (name, found[name].ravel()[:4], value.ravel()[:4])
        if not whole and not np.array_equal(np.signbit(found[name]), np.signbit(value)):
            return "%s: signs" % name
    return None


WAYS = [{"pickle_protocol": p} for p in (2, 3, 4, 5)] + [{"_use_new_zipfile_serialization": False}]


def taken(name, item, should, *options):
    """The tensors of `should`, whichever way the item is saved."""
    problem = None
    for how in WAYS:
        torch.save(item, "item.pth", **how)
        code, found, said = rn_import("item.pth", *options)
        problem = "%s: exit %d: %s" % (how, code, said) if code else differs(found, should)
        if problem:
            break
    verdict(name, problem)


def refused(name, item, words, *options):
    problem = None
    for how in WAYS:
        torch.save(item, "item.pth", **how)
        code, _, said = rn_import("item.pth", *options)
        if code != 3 or said.count("\n") != 1 or words not in said:
            problem = "%s: exit %d: %s" % (how, code, said)
            break
    verdict(name, problem)


def plain(model):
    return dict(model.state_dict())


# ---- as training programs save them ----


def shapes():
    model = net()
    own = plain(model)
    taken("a state dict", model.state_dict(), own)
    taken("of parameters, not detached", dict(model.named_parameters()), dict(model.named_parameters()))
    taken("nn.DataParallel", nn.DataParallel(model).state_dict(), own)
    taken("torch.compile", torch.compile(model).state_dict(), own)
    taken("torch.compile of nn.DataParallel", torch.compile(nn.DataParallel(model)).state_dict(), own)
    taken("nn.DataParallel of torch.compile", nn.DataParallel(torch.compile(model)).state_dict(), own)
    part = copy.deepcopy(model)
    part.layer1 = torch.compile(part.layer1)
    taken("torch.compile of a part", part.state_dict(), own)
    for holder in ("model", "backbone", "net", "encoder", "student"):
        taken("in a module that calls it %s" % holder, Held(holder, model).state_dict(), own)
    taken("model.backbone.module.", Held("model", Held("backbone", nn.DataParallel(model))).state_dict(), own)
    taken("model._orig_mod.", Held("model", torch.compile(model)).state_dict(), own)

    sgd = trained(model, torch.optim.SGD(model.parameters(), 0.1, momentum=0.9))[1]
    own = plain(model)
    taken("PyTorch's tutorial", {"epoch": 5, "model_state_dict": model.state_dict(), "optimizer_state_dict": sgd.state_dict(), "loss": torch.tensor(0.4)}, own)
    adam = trained(model, torch.optim.AdamW(model.parameters()))[1]
    own = plain(model)
    step = torch.optim.lr_scheduler.MultiStepLR(adam, [3, 5])
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 10)
    args = argparse.Namespace(data=pathlib.Path("/data"), lr=0.1, device=torch.device("cpu"), amp=torch.float16, start=datetime.datetime.now())
    taken("the ImageNet example", {"epoch": 3, "arch": "resnet18", "state_dict": nn.DataParallel(model).state_dict(), "best_acc1": torch.tensor(70.0),
                                   "optimizer": sgd.state_dict(), "scheduler": step.state_dict()}, own)
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
    ema.update_parameters(net())
    averaged = plain(ema.module)
    torchvision = {"model": model.state_dict(), "optimizer": adam.state_dict(), "lr_scheduler": cosine.state_dict(), "epoch": 3, "args": args,
                   "model_ema": ema.state_dict(), "scaler": torch.amp.GradScaler("cpu").state_dict()}
    refused("torchvision's references, with an average", torchvision, "'model' (15 tensors), 'model_ema' (16 tensors): --key NAME chooses one")
    taken("... --key model", torchvision, own, "--key", "model")
    taken("... --key model_ema", torchvision, {**averaged, "n_averaged": ema.n_averaged}, "--key", "model_ema")
    del torchvision["model_ema"]
    taken("torchvision's references", torchvision, own)
    timm = {"epoch": 3, "arch": "resnet18", "state_dict": model.state_dict(), "optimizer": adam.state_dict(), "version": 2, "args": args,
            "amp_scaler": {}, "metric": 70.5}
    taken("timm", timm, own)
    timm["state_dict_ema"] = ema.module.state_dict()
    refused("timm, with an average", timm, "'state_dict' (15 tensors), 'state_dict_ema' (15 tensors): --key NAME chooses one")
    taken("... --key state_dict_ema", timm, averaged, "--key", "state_dict_ema")
    held = Held("model", model)
    held.criterion = nn.CrossEntropyLoss(weight=torch.ones(6))
    best = {"monitor": "val_loss", "best_model_score": torch.tensor(0.3), "best_model_path": "a.ckpt", "best_k_models": {"a.ckpt": torch.tensor(0.3)}}
    lightning = {"epoch": 3, "global_step": 100, "pytorch-lightning_version": "2.2.0", "state_dict": held.state_dict(),
                 "loops": {"fit_loop": {"state_dict": {}, "epoch_loop.batch_progress": {"total": {"ready": 3}}}},
                 "callbacks": {"ModelCheckpoint{'monitor': 'val_loss'}": best}, "optimizer_states": [adam.state_dict()],
                 "lr_schedulers": [cosine.state_dict()], "hparams_name": "kwargs", "hyper_parameters": {"lr": 0.1, "path": pathlib.Path("x")}}
    taken("Lightning", lightning, {**own, "criterion.weight": torch.ones(6)})
    taken("one that is nested twice", {"checkpoint": {"net": {"state_dict": model.state_dict()}}, "epoch": 1}, own)
    taken("a key that nobody knows", {"resnet": model.state_dict(), "loss": torch.tensor(1.0), "epoch": 3}, own)
    taken("an unknown key beside the state of generators", {"resnet": model.state_dict(), "rng": {"torch": torch.get_rng_state()}}, own)
    taken("in a tuple", (model.state_dict(), adam.state_dict()), own)
    taken("in a defaultdict", collections.defaultdict(dict, state_dict=model.state_dict()), own)
    refused("two of one kind", {"generator": model.state_dict(), "discriminator": model.state_dict()}, "'generator' (15 tensors), 'discriminator' (15 tensors)")
    refused("model and best model", {"model_state_dict": own, "best_model_state_dict": dict(own)}, "--key NAME chooses one")
    refused("--key that is not there", {"a": own, "b": dict(own)}, "there are 'a' (15 tensors), 'b' (15 tensors)", "--key", "c")
    refused("numbers for names", dict(enumerate(own.values())), "numbers or bytes")
    refused("no tensors", {"epoch": 3, "acc": 0.5}, "no dictionary of tensors")
    return model, own, adam


# ---- what lies beside the network ----


class Mine:
    pass


Point = collections.namedtuple("Point", "x y")


def extras(model, own, adam):
    generator = np.random.default_rng(3)
    harmless = {
        "set": {1, 2, "a"}, "frozenset": frozenset([1]), "bytes": b"abc", "empty bytes": b"", "long bytes": bytes(1000), "bytearray": bytearray(b"abc"), "complex": 1 + 2j,
        "range": range(3), "slice": slice(1, 2), "huge integer": 2**3000, "negative": -(2**65), "real": 1e300, "none": None,
        "Size": torch.Size([1, 2]), "device": torch.device("cuda:1"), "dtype": torch.bfloat16, "dtypes": [torch.uint16, torch.complex64, torch.float8_e4m3fn],
        "torch's version": torch.__version__, "qscheme": torch.per_tensor_affine,
        "Counter": collections.Counter("abca"), "defaultdict": collections.defaultdict(list, a=[1]), "nested defaultdict": collections.defaultdict(int, {1: 2}),
        "deque": collections.deque([1, 2], maxlen=5), "OrderedDict": collections.OrderedDict(a=1), "Namespace": argparse.Namespace(a=1, b=[2]),
        "SimpleNamespace": types.SimpleNamespace(a=1), "Path": pathlib.Path("/a/b"), "PurePath": pathlib.PureWindowsPath("c:/a"),
        "datetime": datetime.datetime.now(), "utc": datetime.datetime.now(datetime.timezone.utc), "date": datetime.date.today(), "timedelta": datetime.timedelta(1, 2),
        "Decimal": decimal.Decimal("1.5"), "Fraction": fractions.Fraction(1, 3), "uuid": uuid.uuid4(), "types": [int, float, str, dict, list, object],
        "numpy scalars": [np.float64(1.5), np.float32(2), np.int64(3), np.bool_(True), np.str_("a")], "array": np.arange(12.0).reshape(3, 4),
        "Fortran array": np.asfortranarray(np.ones((3, 4))), "array of objects": np.array([{}, None], dtype=object), "record array": np.zeros(2, [("a", "f4"), ("b", "i8")]),
        "text array": np.array(["a", "bc"]), "numpy dtype": np.dtype("float32"), "numpy type": np.float32, "random state": random.getstate(),
        "numpy state": np.random.get_state(), "numpy generator": generator, "RandomState": np.random.RandomState(1), "torch state": torch.get_rng_state(),
        "optimizer": adam.state_dict(), "an optimizer": torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), "the loss": nn.CrossEntropyLoss(),
        "scheduler": torch.optim.lr_scheduler.OneCycleLR(adam, 0.1, 10).state_dict(), "scaler": torch.amp.GradScaler("cpu").state_dict(),
        "complex tensor": torch.ones(2, dtype=torch.complex64), "sparse tensor": torch.eye(3).to_sparse(), "csr tensor": torch.eye(3).to_sparse_csr(),
        "quantised tensor": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        "per channel": torch.quantize_per_channel(torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.quint8), "meta tensor": torch.empty(3, device="meta"),
        "float8": torch.ones(2).to(torch.float8_e5m2), "uint16": torch.ones(2, dtype=torch.uint16), "untyped storage": torch.ones(2).untyped_storage(),
        "nested tensor": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    }
    for name, value in harmless.items():
        taken("beside the network: %s" % name, {"state_dict": model.state_dict(), "extra": value, "more": [value, {"a": value}], "last": 1}, own)
    itself = []
    itself.append((itself, {"a": itself}))
    taken("beside the network: a list that holds itself", {"state_dict": model.state_dict(), "extra": itself}, own)
    beside = lambda value: {"state_dict": model.state_dict(), "extra": value}
    refused("an object of one's own", beside(Mine()), "the global '__main__ Mine' is not allowed: it is not known to be data")
    refused("a class of one's own", beside(Mine), "the global '__main__ Mine' is not allowed")
    refused("a named tuple", beside(Point(1, 2)), "the global '__main__ Point' is not allowed")
    refused("a function", beside(net), "the global '__main__ net' is not allowed")
    refused("a partial function", beside(functools.partial(print, 1)), "partial' is not allowed")
    refused("a bound method", beside([].append), "getattr' is not allowed")
    refused("a module beside", beside(model), "the global '__main__ Small' is not allowed: ")
    refused("a whole module", model, "a whole module, not its weights: torch.save(model.state_dict(), FILE) saves those")
    refused("a whole module of PyTorch's", nn.Linear(2, 2), "a whole module, not its weights")
    torch.jit.script(Small()).save("script.pth")
    code, _, said = rn_import("script.pth")
    verdict("TorchScript", None if code == 3 and "a TorchScript program" in said else said)


class Runs:
    def __init__(self, function, *arguments):
        self.made = function, arguments

    def __reduce__(self):
        return self.made


def hostile(model):
    for function, arguments in ((os.system, ("touch pwned",)), (subprocess.call, (["touch", "pwned"],)), (eval, ("1",)), (exec, ("1",)), (__import__, ("os",)),
                                (open, ("pwned", "w")), (getattr, (1, "real")), (torch.load, ("item.pth",)), (os.remove, ("x",)), (torch.hub.load, ("a", "b")),
                                (np.load, ("x.npy",)), (io.open, ("pwned", "w")), (pathlib.Path.touch, (pathlib.Path("pwned"),))):
        item = Runs(function, *arguments)
        name = "%s.%s" % (function.__module__, function.__qualname__)
        refused("%s beside the network" % name, {"state_dict": model.state_dict(), "x": item}, "is not allowed")
        refused("%s in the network" % name, {"w": torch.ones(2), "x": item}, "is not allowed")
        refused("%s itself" % name, item, "is not allowed")
    verdict("nothing was run", "pwned" if os.path.exists("pwned") else None)


# ---- tensors of every kind ----


def tensors():
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) - 7
    kinds = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16, "int64": torch.int64, "int32": torch.int32,
             "int16": torch.int16, "int8": torch.int8, "float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}
    for name, dtype in kinds.items():
        taken("elements: %s" % name, {"a.w": base.to(dtype), "a.v": base.to(dtype)[:, 1:, ::2]}, {"a.w": base.to(dtype), "a.v": base.to(dtype)[:, 1:, ::2]})
    for name, dtype in {"uint8": torch.uint8, "bool": torch.bool, "uint16": torch.uint16, "uint32": torch.uint32, "uint64": torch.uint64}.items():
        value = (base + 7).to(dtype)
        taken("elements: %s" % name, {"a.w": value}, {"a.w": value})
    for dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
        every = torch.arange(256, dtype=torch.int16).to(torch.uint8).view(dtype)
        taken("every %s" % dtype, {"a.w": every}, {"a.w": every})
    for name, value in {"complex64": torch.ones(2, dtype=torch.complex64), "complex128": torch.ones(2, dtype=torch.complex128), "quantised": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
                        "sparse": torch.eye(2).to_sparse(), "csr": torch.eye(2).to_sparse_csr(), "float8_e8m0fnu": torch.ones(2).to(torch.float8_e8m0fnu),
                        "without data": torch.empty(2, device="meta"), "conjugate": torch.ones(2, dtype=torch.complex64).conj()}.items():
        refused("elements: %s" % name, {"a.w": value, "a.b": base}, "'a.w' is of ")
    refused("a uint64 that is too large", {"a.w": torch.tensor([2**64 - 1], dtype=torch.uint64)}, "'a.w': a uint64 above")
    negative = torch.complex(torch.ones(4), torch.tensor([1.0, -2.0, 0.0, -0.0])).conj().imag
    assert negative.is_neg()
    taken("a negative view", {"a.w": negative, "a.v": negative[1:3]}, {"a.w": negative, "a.v": negative[1:3]})
    shared = torch.randn(10)
    views = {"a.w": shared[2:8].view(2, 3), "a.v": shared[2:8].view(2, 3).t(), "a.u": shared[:1].expand(4), "a.s": shared[3], "a.e": shared[:0], "a.i": torch.ones(3, 0, 2)}
    taken("views of one storage", views, views)
    last = {"a.w": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)}
    taken("channels last", last, last)
    parameter = {"a.w": nn.Parameter(torch.randn(2)), "a.b": nn.Buffer(torch.randn(3)), "a.c": nn.Parameter(torch.randn(2), requires_grad=False)}
    parameter["a.w"].note = "an attribute"
    taken("parameters with attributes, buffers", parameter, parameter)
    noted = torch.randn(3)
    noted.note = {"a": 1}
    taken("a tensor with an attribute", {"a.w": noted}, {"a.w": noted})
    wild = {"a.w": torch.tensor([float("nan"), float("inf"), -float("inf")]), "a.b": torch.ones(1)}
    taken("NaN and infinities", wild, wild)


# ---- as a network: another one is refused ----


def networks():
    models = torchvision.models
    for name, arch in (("resnet18", "resnet18"), ("resnet50", "resnet50")):
        model = getattr(models, name)(num_classes=6)
        torch.save(model.state_dict(), "network.pth")
        code, found, said = rn_import("network.pth", "--arch", arch, "--strict")
        should = {k.replace("fc.", "final_fc.", 1) if k.startswith("fc.") else k: v for k, v in model.state_dict().items()}
        verdict("torchvision's %s is %s" % (name, arch), said if code else differs(found, should))
    for name, arch in (("resnet34", "resnet18"), ("resnet101", "resnet50"), ("resnet18", "resnet34"), ("wide_resnet50_2", "resnet50"), ("resnext50_32x4d", "resnet50")):
        refused("torchvision's %s is not %s" % (name, arch), getattr(models, name)(num_classes=6).state_dict(), "network", "--arch", arch)
    squeezed = models.resnet50(num_classes=6)
    for block in (b for stage in (squeezed.layer1, squeezed.layer2, squeezed.layer3, squeezed.layer4) for b in stage):
        width = block.conv3.out_channels
        block.se = nn.Sequential(nn.Linear(width, width // 16), nn.ReLU(), nn.Linear(width // 16, width))
    refused("an SE-ResNet-50 is not resnet50", squeezed.state_dict(), "another network: 64 of its tensors", "--arch", "resnet50")
    quantised = models.quantization.resnet18(quantize=True)
    refused("torchvision's quantised resnet18", quantised.state_dict(), "is of _rebuild_qtensor")
    shared = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "cases", "weights")
    for file in sorted(os.listdir(shared)) if os.path.isdir(shared) else []:
        if not file.endswith(".pth"):
            continue
        item = torch.load(os.path.join(shared, file), weights_only=False)
        code, found, said = rn_import(os.path.join(shared, file))
        if code == 3:
            verdict("handed out: %s" % file, None if said.count("\n") == 1 and ("--key" in said or "names" in said) else said)
            continue
        state = next((item[k] for k in ("state_dict", "model_state_dict", "model") if k in item), item)
        verdict("handed out: %s" % file, differs(found, {k.replace("_orig_mod.", ""): v for k, v in state.items()}))


def main(folder):
    os.chdir(folder)
    model, own, adam = shapes()
    extras(model, own, adam)
    hostile(model)
    tensors()
    networks()
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
