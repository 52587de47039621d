"""same.py -- the same weights give the same logits (but for the constant that softmax does not see), and a few steps of training
the same losses, here and in PyTorch. Called by compare.py where model.rn, model.safetensors and photos (few/) are; leaves
model.pth. exit: 1 when they differ."""
import json
import subprocess
import sys

import numpy as np
import torch

from net import Net, load

mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))


def tool(command):
    return subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE).stdout


def same(what, ours, theirs, most):
    ours, theirs = np.ravel(ours), np.ravel(theirs)
    worst = np.abs(ours - theirs).max() if ours.shape == theirs.shape else np.inf
    print("   %s: largest difference %.2g" % (what, worst), flush=True)
    if not worst <= most:
        sys.exit("ours %s, PyTorch's %s" % (ours, theirs))


def batches(path):
    records = [json.loads(x) for x in tool("rn-show --json " + path).splitlines()]
    labels = [torch.tensor(r["labels"]) for r in records if "labels" in r]
    with open(path + ".npy", "wb") as file:
        file.write(tool("rn-show --npy images " + path))
    with open(path + ".npy", "rb") as file:
        images = [torch.from_numpy(np.load(file)) for _ in labels]
    return [(((x / 255 - mean) / std).permute(0, 3, 1, 2).contiguous(), y) for x, y in zip(images, labels)]


net = load(Net("resnet18", "ours"), "model.safetensors")
torch.save(net.state_dict(), "model.pth")
tool("rn-list few | rn-batch --for model.rn -o eval.rn; rn-list few | rn-batch --train --epochs 4 -o train.rn")

records = [json.loads(x) for x in tool("rn-predict -m model.rn eval.rn | rn-show --json --values").splitlines()]
with torch.no_grad():
    theirs = net.eval()(batches("eval.rn")[0][0]).log_softmax(1).numpy()
same("logits", np.log([r["probs"]["values"] for r in records if "probs" in r]), theirs, 1e-3)

log = [x.split("\t") for x in tool("rn-train -q -t ours --init model.rn -o run train.rn").decode().splitlines()]
ours = [float(row[log[0].index("train_loss")]) for row in log[1:]]
theirs, sgd = [], torch.optim.SGD(net.train().parameters(), 2e-4, momentum=0.9, weight_decay=1e-4)
for x, y in batches("train.rn"):
    loss = torch.nn.functional.cross_entropy(net(x), y)
    sgd.zero_grad()
    loss.backward()
    sgd.step()
    theirs.append(loss.item())
same("the first loss", ours[:1], theirs[:1], 1e-4)
same("losses", ours, theirs, 0.01 * max(theirs))  # what is rounded otherwise grows from step to step
