"""The networks as the original program has them, in PyTorch: ResNets, and the attention module behind layer4. Names are the
checkpoint's, so that what rn-export writes loads strictly."""
import json
import struct

import torch
from torch import nn

DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
CLASSES = 6


def conv(cin, cout, kernel, stride=1):
    return nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False)


class Basic(nn.Module):
    expansion = 1

    def __init__(self, cin, c, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(cin, c, 3, stride), nn.BatchNorm2d(c)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = conv(c, c, 3), nn.BatchNorm2d(c)
        self.downsample = None if stride == 1 and cin == c else nn.Sequential(conv(cin, c, 1, stride), nn.BatchNorm2d(c))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, cin, c, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(cin, c, 1), nn.BatchNorm2d(c)
        self.conv2, self.bn2 = conv(c, c, 3, stride), nn.BatchNorm2d(c)
        self.conv3, self.bn3 = conv(c, 4 * c, 1), nn.BatchNorm2d(4 * c)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None if stride == 1 and cin == 4 * c else nn.Sequential(conv(cin, 4 * c, 1, stride), nn.BatchNorm2d(4 * c))

    def forward(self, x):
        y = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        return self.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class Gates(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.ChannelGate, self.SpatialGate = nn.Module(), nn.Module()
        self.ChannelGate.mlp = nn.Sequential(nn.Linear(c, c // 16), nn.ReLU(), nn.Linear(c // 16, c))
        self.SpatialGate.spatial = nn.Sequential(nn.Conv2d(c, 1, 7, padding=3))

    def forward(self, x):
        channel = self.ChannelGate.mlp(x.mean((2, 3))).sigmoid()[:, :, None, None]
        return x * channel + x * self.SpatialGate.spatial(x).sigmoid()


class Net(nn.Module):
    def __init__(self, arch, attention):
        super().__init__()
        block = Bottleneck if arch == "resnet50" else Basic
        self.conv1, self.bn1 = conv(3, 64, 7, 2), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        cin = 64
        for i, depth in enumerate(DEPTHS[arch]):
            c = 64 << i
            blocks = [block(cin if k == 0 else c * block.expansion, c, 2 if i and k == 0 else 1) for k in range(depth)]
            setattr(self, "layer%d" % (i + 1), nn.Sequential(*blocks))
            cin = c * block.expansion
        self.att = Gates(cin) if attention == "ours" else None
        self.final_fc = nn.Linear(cin, CLASSES)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = x if self.att is None else self.att(x)
        return self.final_fc(x.mean((2, 3)))


def load(net, path):
    """A .safetensors file: eight bytes of length, JSON, the numbers."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        head, data = json.loads(file.read(length)), file.read()
    types = {"F32": torch.float32, "I64": torch.int64}
    state = {}
    for name, t in head.items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            state[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=types[t["dtype"]]).reshape(t["shape"])
    net.load_state_dict(state)
    return net
