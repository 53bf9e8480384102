#!/usr/bin/env python3
"""Writes which modules torch's size_based_auto_wrap_policy wraps, of a few models.

    PYTHONPATH=PEERS python tests/golden/size_policy/generate.py

PEERS has benchmarks/peers/requirements.txt in it. One block per case: `case MODEL MIN_NUM_PARAMS`, then for each
wrapped module, in torch's order, `wrap NAME PARAMETERS`: the elements of its parameters that no module wrapped below it
has; at the end `root PARAMETERS`, the rest, which FSDP wraps whatever the policy says. A tied parameter counts in every
module that has it, as torch counts it (FSDP1 then shards it twice and breaks the tie); in the root if no wrap has it.

The models: worked_1 to worked_3 below; resnet50 is torchvision's, 1000 classes; gpt2 that of tests/golden/gpt2.
"""

import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.distributed.fsdp.wrap import _recursive_wrap, size_based_auto_wrap_policy
from torchvision.models import resnet50

sys.path.insert(0, str(Path(__file__).parent.parent / "gpt2"))
from generate import GPT2  # noqa: E402: it is this folder's neighbour


def worked_1():
    inner = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    return nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5), inner)


def worked_2():
    return nn.ModuleDict({"list": nn.ModuleList([nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(6, 6)])})


def worked_3():
    return nn.Sequential(nn.Linear(10, 10), nn.MultiheadAttention(10, 2))


MODELS = {
    "worked_1": (worked_1, [40]),
    "worked_2": (worked_2, [40]),
    "worked_3": (worked_3, [40]),
    "resnet50": (resnet50, [1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000]),
    "gpt2": (GPT2, [10_000, 100_000, 200_000]),
}


class Wrapped(nn.Module):
    """Stands where FSDP would: it only marks the module that it holds."""

    def __init__(self, module):
        super().__init__()
        self.module = module


def own_parameters(module):
    """The module's parameters without those in wraps below it."""
    found = dict.fromkeys(module.parameters(recurse=False))
    for child in module.children():
        if not isinstance(child, Wrapped):
            found |= own_parameters(child)
    return found


def elements(parameters):
    return sum(p.numel() for p in parameters)


def wraps(module, path=""):
    """Name and module of each wrap, in the order in which torch made them."""
    for name, child in module.named_children():
        yield from wraps(getattr(child, "module", child), f"{path}{name}.")
        if isinstance(child, Wrapped):
            yield path + name, child.module


def report(model):
    inside = set()
    for name, module in wraps(model):
        own = own_parameters(module)
        inside |= set(own)
        yield f"wrap {name} {elements(own)}"
    yield f"root {elements(p for p in own_parameters(model) if p not in inside)}"


def main():
    lines = [f"# by tests/golden/size_policy/generate.py with torch {torch.__version__}"]
    for name, (make, sizes) in MODELS.items():
        for size in sizes:
            lines.append(f"case {name} {size}")
            model = make()
            policy = partial(size_based_auto_wrap_policy, min_num_params=size)
            _recursive_wrap(model, policy, Wrapped, set(), set(), only_wrap_children=True)  # as FSDP calls it
            lines.extend(report(model))
    Path(__file__).with_name("wraps.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
