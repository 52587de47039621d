"""check.py FOLDER -- exports of every kind of network, read by the packages that they are made for. Speaks TAP.

The weights are random, but with running statistics that matter and layers whose sizes stay in bounds, so that a wrong
node, a wrong order or a forgotten normalisation changes the probabilities by far more than the 1e-4 that is allowed."""
import json
import os
import subprocess
import sys

import msgpack
import msgpack_numpy
import numpy as np
import onnx
import onnxruntime
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = ["glass", "paper", "cardboard", "plastic", "metal", "trash"]
INPUT = {"size": 64, "resize": 64, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
CASES = [("resnet18", a) for a in ("none", "ours", "ours-spatial", "ours-channel", "ours-mul", "ours-max", "se", "cbam")] + [
    ("resnet50", "ours"), ("resnet50", "cbam"), ("resnet18", "eca"), ("resnext50_32x4d", "none")]
number = failed = 0


def tool(*command, stdin=b""):
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE)
    if done.returncode:
        raise RuntimeError("%s: exit %d" % (" ".join(command), done.returncode))
    return done.stdout


def stream(data):
    return list(msgpack.Unpacker(__import__("io").BytesIO(data), object_hook=msgpack_numpy.decode, max_buffer_size=2**31 - 1))


def pack(*items):
    return b"".join(msgpack.packb(item, default=msgpack_numpy.encode) for item in items)


def verdict(name, problem):
    global number, failed
    number += 1
    failed += problem is not None
    print("%s %d - %s" % ("ok" if problem is None else "not ok", number, name), flush=True)
    if problem is not None:
        print("# %s" % problem)


def case(name, function, *args):
    global number
    try:
        function(*args)
        verdict(name, None)
    except ModuleNotFoundError as error:
        number += 1
        print("ok %d - %s # skip %s" % (number, name, error))
    except Exception as error:  # a failed check, or one that could not be made
        verdict(name, repr(error))


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def batch(images):
    n = len(images)
    head = {"rn": "batches", "version": 1, "classes": [], "mode": "eval", "input": INPUT, "batch": n}
    record = {"epoch": 0, "index": 0, "ids": ["%d" % i for i in range(n)], "labels": [None] * n, "images": images}
    return pack(head, record, {"rn": "end", "records": 1})


def make_model(arch, attention, rng):
    """A model whose names and shapes are rn-train's and whose numbers are ours."""
    head = {"rn": "batches", "version": 1, "classes": CLASSES, "mode": "train", "input": dict(INPUT, size=32), "batch": 2, "epoch": 0,
            "seed": 1, "epochs": 1, "batches_per_epoch": 1}
    record = {"epoch": 0, "index": 0, "ids": ["a", "b"], "labels": [0, 1], "images": rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)}
    tool("rn-train", "-a", arch, "-t", attention, "-j", "2", "--overwrite", "-o", "run", stdin=pack(head, record, {"rn": "end", "records": 1}))
    weights = {}
    for item in stream(open("run/last.rn", "rb").read()):
        if item.get("role") not in ("parameter", "buffer"):
            continue
        shape, name = item["value"].shape, item["name"]
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        value = rng.standard_normal(shape)
        if name.endswith("running_var"):
            value = rng.uniform(0.5, 2, shape)
        elif len(shape) > 1:
            value *= np.sqrt(2 / fan_in)
        elif name.endswith("weight"):
            value = rng.uniform(0.3, 0.9, shape)
        else:
            value *= 0.2
        weights[name] = value.astype(np.float32)
    save_file(weights, "made.safetensors")
    tool("rn-import", "-a", arch, "-t", attention, "--strict", "--classes", ",".join(CLASSES), "made.safetensors", "-o", "model.rn")
    # the input of an import is ImageNet's at 224 pixels: ours are smaller
    items = stream(open("model.rn", "rb").read())
    items[0]["input"] = INPUT
    with open("model.rn", "wb") as file:
        file.write(pack(*items[:-1], {"rn": "end", "records": len(items) - 2}))
    return weights


def same(found, weights, counters):
    names = set(weights) | ({n.replace("running_var", "num_batches_tracked") for n in weights if n.endswith("running_var")} if counters else set())
    check(set(found) == names, "names differ: %s" % (set(found) ^ names))
    for name, value in weights.items():
        check(found[name].dtype == np.float32 and found[name].shape == value.shape, "%s: type or shape" % name)
        check(np.array_equal(found[name], value), "%s: values" % name)
    for name in names - set(weights):
        check(found[name].dtype == np.int64 and found[name].shape == () and found[name] == 0, "%s: not 0" % name)


def check_safetensors(weights):
    tool("rn-export", "model.rn", "-o", "model.safetensors")
    same(load_file("model.safetensors"), weights, True)
    with safe_open("model.safetensors", "np") as file:
        about = file.metadata()
    check(json.loads(about["classes"]) == CLASSES and about["size"] == "64" and about["format"] == "pt" and "arch" in about, "the metadata")
    tool("rn-import", "model.safetensors", "-o", "back.rn")
    check(stream(open("back.rn", "rb").read())[0]["input"] == INPUT, "the input, read back")


def check_npz(weights):
    tool("rn-export", "model.rn", "-o", "model.npz")
    with np.load("model.npz", allow_pickle=False) as archive:
        check(archive.zip.testzip() is None, "a checksum")
        same({name: archive[name] for name in archive.files}, weights, False)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def probabilities(images):
    records = stream(tool("rn-predict", "-j", "2", "-m", "model.rn", stdin=batch(images)))
    return np.array([r["probs"] for r in records if "probs" in r])


def near(a, b, what):
    check(a.shape == b.shape, "%s: shapes %s and %s" % (what, a.shape, b.shape))
    worst = float(np.abs(a - b).max())
    check(worst <= 1e-4, "%s differ by %g" % (what, worst))


def check_onnx(rng, opset):
    tool("rn-export", "--opset", str(opset), "model.rn", "-o", "model.onnx")
    model = onnx.load("model.onnx")
    onnx.checker.check_model(model, full_check=True)
    check([(o.domain, o.version) for o in model.opset_import] == [("", opset)], "another opset")
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    check(json.loads(about["classes"]) == CLASSES and about["size"] == "64", "the metadata")
    mean, std = np.array(json.loads(about["mean"])), np.array(json.loads(about["std"]))
    check([i.name for i in session.get_inputs()] == ["images"] and [o.name for o in session.get_outputs()] == ["probabilities"], "names")
    for n, h, w in ((1, 64, 64), (3, 64, 64), (2, 96, 64)):
        photos = rng.integers(0, 256, (n, h, w, 3), dtype=np.uint8)
        x = ((photos / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
        theirs = session.run(None, {"images": x})[0]
        check(np.abs(theirs.sum(axis=1) - 1).max() < 1e-5, "probabilities do not sum to 1")
        near(probabilities(np.ascontiguousarray(x)), theirs, "probabilities of %dx%dx%d" % (n, h, w))
        if (h, w) == (64, 64):
            near(probabilities(photos), theirs, "probabilities of pixels")
    spread = float(np.abs(theirs - 1 / 6).max())
    check(spread > 0.02, "a network that says nothing (%g): the test is blind" % spread)


def check_torch(torch, rng):
    """The original's ResNet-18 with its attention module, in PyTorch; `load_state_dict` is strict."""
    sys.path.insert(0, os.path.join(HERE, "..", "bench", "peers"))
    from net import Net
    from safetensors.torch import load_file as load_torch

    weights = make_model("resnet18", "ours", rng)
    tool("rn-export", "model.rn", "-o", "model.safetensors")
    net = Net("resnet18", "ours").eval()
    net.load_state_dict(load_torch("model.safetensors"))
    x = rng.standard_normal((3, 3, 64, 64)).astype(np.float32)
    with torch.no_grad():
        logits = net(torch.from_numpy(x)).numpy()
    near(probabilities(x), softmax(logits), "probabilities in PyTorch")
    # and back: what torch.save makes of it, in both formats
    checkpoint = {"epoch": 3, "arch": "resnet18_base", "state_dict": torch.nn.DataParallel(net).state_dict(), "best_acc1": torch.tensor(93.0)}
    for new in (True, False):
        torch.save(checkpoint, "back.pth.tar", _use_new_zipfile_serialization=new)
        found = {r["name"]: r["value"] for r in stream(tool("rn-import", "back.pth.tar")) if "name" in r}
        same(found, weights, True)


EXAMPLES = os.path.join(HERE, "..", "..", "pipelines", "examples")


def check_example_read():
    said = [[0.7, 0.3], [0.2, 0.8], [0.1, 0.9]]
    head = {"rn": "predictions", "version": 1, "classes": ["glass", "metal"]}
    records = [{"id": "p%d" % i, "label": None, "probs": np.array(p, np.float32)} for i, p in enumerate(said)]
    whole = pack(head, *records, {"id": "bad", "label": None, "split": None, "error": "gone"}, {"rn": "end", "records": 4})
    read = os.path.join(EXAMPLES, "read.py")
    check(tool(sys.executable, read, stdin=whole) == b"glass\t1\t0.700\nmetal\t2\t0.850\n", "read.py counts otherwise")
    cut = subprocess.run([sys.executable, read], input=pack(head, *records), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(cut.returncode == 1 and not cut.stdout and b"cut short" in cut.stderr, "read.py takes a cut stream")


def check_example_generate():
    data = tool(sys.executable, os.path.join(EXAMPLES, "generate.py"), "4")
    rows = tool("rn-train", "-q", "--lr", "0.01", "-o", "generated", stdin=data).decode().splitlines()
    check(len(rows) == 5 and rows[0].startswith("epoch\t"), "not a row an epoch")
    check(float(rows[-1].split("\t")[3]) > 90, "left and right were not told apart: " + rows[-1])


def photos(count):
    """A folder of drawn photos: how many there are."""
    tool("draw", "drawn", str(count))
    return {os.path.join(d, f)[len("drawn/"):]: open(os.path.join(d, f), "rb").read() for d, _, files in os.walk("drawn") for f in files}


def check_example_parquet():
    import pyarrow
    import pyarrow.parquet as parquet
    files = photos(2)
    names = sorted({path.split("/")[0] for path in files})
    rows = [{"image": {"bytes": data, "path": path}, "label": names.index(path.split("/")[0])} for path, data in sorted(files.items())]
    rows[3]["label"] = -1
    about = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}}}
    table = pyarrow.Table.from_pylist(rows)
    for described in (True, False):
        for part, piece in enumerate((table.slice(0, 5), table.slice(5))):
            piece = piece.replace_schema_metadata({"huggingface": json.dumps(about)}) if described else piece
            parquet.write_table(piece, "%d.parquet" % part)
        items = stream(tool("rn-pick", stdin=tool(sys.executable, os.path.join(EXAMPLES, "parquet.py"), "0.parquet", "1.parquet")))
        check(items[0]["classes"] == (names if described else [str(i) for i in range(-1, len(names))]), "classes: %s" % items[0]["classes"])
        check([i["data"] for i in items[1:-1]] == [r["image"]["bytes"] for r in rows], "other bytes")
        labels = [r["label"] for r in rows]
        check([i["label"] for i in items[1:-1]] == [None if v < 0 else v for v in labels] if described else
              [i["label"] for i in items[1:-1]] == [v + 1 for v in labels], "other labels")
        tool("rn-batch", "--size", "32", "-o", "of-parquet.rn", stdin=pack(*items))


def check_webdataset():
    import webdataset
    files = photos(2)
    names = sorted({path.split("/")[0] for path in files})
    tool("rn-pick", "--tar", "--max-size", "20K", "-o", "w-%02d.tar", stdin=tool("rn-list", "drawn"))
    shards = sorted(name for name in os.listdir(".") if name.startswith("w-"))
    check(len(shards) > 1, "one shard")
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    check(len(samples) == len(files), "%d samples of %d" % (len(samples), len(files)))
    for sample in samples:
        about = json.loads(sample["json"])
        check(sample["jpg"] == files[about["id"]] and names[int(sample["cls"])] == about["label"] == about["id"].split("/")[0], about["id"])
    with webdataset.TarWriter("theirs.tar") as writer:
        for i, (path, data) in enumerate(sorted(files.items())):
            writer.write({"__key__": "%06d" % i, "jpg": data, "cls": str(names.index(path.split("/")[0])), "txt": "a photo"})
    items = stream(tool("rn-list", "--classes", ",".join(names), "theirs.tar"))
    check([(names[i["label"]], i["data"]) for i in items[1:-1]] == [(p.split("/")[0], d) for p, d in sorted(files.items())], "read otherwise")


def main(folder):
    os.chdir(folder)
    rng = np.random.default_rng(8)
    for arch, attention in CASES:
        name = "%s %s" % (arch, attention)
        weights = make_model(arch, attention, rng)
        case("safetensors: " + name, check_safetensors, weights)
        case("npz: " + name, check_npz, weights)
        for opset in (13, 17, 18, 21) if arch == "resnet18" and attention in ("ours", "cbam") else (17,):
            case("onnx, opset %d: %s" % (opset, name), check_onnx, rng, opset)
    case("examples/read.py", check_example_read)
    case("examples/generate.py", check_example_generate)
    case("examples/parquet.py", check_example_parquet)
    case("WebDataset reads what rn-pick --tar writes, and rn-list what it writes", check_webdataset)
    try:
        import torch
    except ImportError:
        print("ok %d - PyTorch # skip not installed" % (number + 1))
    else:
        case("PyTorch: strict load, the same probabilities, and back", check_torch, torch, rng)
    return failed > 0


sys.exit(main(sys.argv[1]))
