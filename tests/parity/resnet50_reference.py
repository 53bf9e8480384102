# One step of ResNet-50 in plain PyTorch, for resnet50_test.cpp.
#
#   python resnet50_reference.py DIR
#
# Reads DIR/manifest.txt, one tensor a line ("param conv1.weight 64 3 7 7", "buffer …", "input img …",
# "input label …"), and DIR/values.bin, their values as float64 in that order. Checks that names, order and
# shapes are PyTorch's. Writes DIR/result.bin, float64: the loss, the gradient of every parameter, every buffer.
import pathlib
import sys

import numpy as np
import torch
from torch import nn


def conv(inputs, outputs, size, stride=1):
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = conv(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        if stride != 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(conv(inputs, 4 * width, 1, stride), nn.BatchNorm2d(4 * width))

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += self.downsample(x) if hasattr(self, "downsample") else x
        return self.relu(out)


class ResNet50(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = conv(3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for number, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
            first = Bottleneck(inputs, width, 1 if number == 1 else 2)
            inputs = 4 * width
            rest = [Bottleneck(inputs, width, 1) for _ in range(blocks - 1)]
            setattr(self, f"layer{number}", nn.Sequential(first, *rest))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = torch.relu_(self.bn1(self.conv1(x)))
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


def read(folder):
    values = torch.from_numpy(np.fromfile(folder / "values.bin")).float()
    kinds = {"param": {}, "buffer": {}, "input": {}}
    at = 0
    for line in (folder / "manifest.txt").read_text().splitlines():
        kind, name, *shape = line.split()
        shape = [int(n) for n in shape]
        count = int(np.prod(shape))
        kinds[kind][name] = values[at : at + count].reshape(shape)
        at += count
    return kinds["param"], kinds["buffer"], kinds["input"]


def fill(given, own):
    own = dict(own)
    assert list(given) == list(own), f"names differ: {[p for p in zip(given, own) if p[0] != p[1]][:3]}"
    for name, value in given.items():
        assert value.shape == own[name].shape, f"{name}: {list(value.shape)}, PyTorch has {list(own[name].shape)}"
        own[name].data.copy_(value)


def main():
    folder = pathlib.Path(sys.argv[1])
    params, buffers, inputs = read(folder)
    model = ResNet50(params["fc.weight"].shape[0])
    fill(params, model.named_parameters())
    fill(buffers, model.named_buffers())
    loss = nn.functional.cross_entropy(model(inputs["img"]), inputs["label"].long())
    loss.backward()
    result = [loss.detach()] + [p.grad for p in model.parameters()] + list(model.buffers())
    np.concatenate([t.double().numpy().ravel() for t in result]).tofile(folder / "result.bin")


main()
