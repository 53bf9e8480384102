"""The models of the peers, their batches, and which of their modules are sharded apart; as in benchmarks/configs.

mlp: fsdp_mlp.toml. resnet50: torchvision's, 1000 classes, images of 32. gpt2: the small one, untied, 163 million
parameters: pre-norm blocks, causal attention by torch's fused kernel, the tanh form of GELU, no dropout.
"""

import os
from dataclasses import dataclass
from typing import Callable

import torch
from torch import nn
from torch.nn import functional as F

LAYERS, HEADS, WIDTH, VOCABULARY, SEQUENCE = 12, 12, 768, 50257, 128


class Classifier(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, inputs, labels):
        return F.cross_entropy(self.net(inputs).flatten(0, -2), labels.flatten())


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.c_attn, self.c_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.c_fc, self.c_out = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in self.c_attn(self.ln_1(x)).split(WIDTH, 2))
        x = x + self.c_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class GPT2(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(SEQUENCE, WIDTH)
        self.h, self.ln_f = nn.ModuleList(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.size(1)))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


@dataclass
class Work:
    model: nn.Module
    batch: Callable  # () -> inputs, labels
    apart: Callable  # model -> modules that FSDP2 shards apart
    min_num_params: int  # FSDP1's size policy


def images(shape, batch, classes):
    generator = torch.Generator().manual_seed(int(os.environ.get("RANK", "0")))
    return lambda: (
        torch.randn(batch, *shape, generator=generator),
        torch.randint(0, classes, (batch,), generator=generator),
    )


def tokens(batch):
    generator = torch.Generator().manual_seed(int(os.environ.get("RANK", "0")))
    return lambda: [torch.randint(0, VOCABULARY, (batch, SEQUENCE), generator=generator) for _ in range(2)]


def make_mlp():
    layers = [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)]
    model = Classifier(nn.Sequential(nn.Flatten(), *layers))
    return Work(model, images((8, 8), 16, 10), lambda m: [x for x in m.net if isinstance(x, nn.Linear)], 10**6)


def make_resnet50():
    import torchvision

    net = torchvision.models.resnet50()
    stages = lambda m: [m.net.layer1, m.net.layer2, m.net.layer3, m.net.layer4]  # noqa: E731
    return Work(Classifier(net), images((3, 32, 32), 128, 1000), stages, 10**7)


def make_gpt2():
    return Work(Classifier(GPT2()), tokens(2), lambda m: list(m.net.h), 10**6)


MODELS = {"mlp": make_mlp, "resnet50": make_resnet50, "gpt2": make_gpt2}
