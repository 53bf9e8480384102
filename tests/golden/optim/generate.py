#!/usr/bin/env python3
"""Writes the updates of torch's fused CPU optimizers, bit by bit, for tests/unit/plugins_optim.

    python tests/golden/optim/generate.py

One block per case: `case NAME TYPE DTYPE JSON`, `init HEX…`, then for each of 5 steps `grad HEX…` and
`value HEX…`. Numbers are the bit patterns of the elements. 32 elements, because torch takes another path, with
another rounding, for what does not fill a vector.
"""

import json
import pathlib

import torch

COUNT = 32
STEPS = 5
CASES = [
    ("adamw", "AdamW", "f32", {}),
    ("adamw_amsgrad", "AdamW", "f32", {"lr": 0.01, "amsgrad": True}),
    ("adamw_maximize", "AdamW", "f32", {"maximize": True, "weight_decay": 0.0}),
    ("adamw_low_beta1", "AdamW", "f32", {"betas": [0.3, 0.99]}),
    ("adamw_double", "AdamW", "f64", {}),
    ("adam", "Adam", "f32", {}),
    ("adam_l2", "Adam", "f32", {"weight_decay": 0.01, "eps": 1e-6}),
    ("sgd", "SGD", "f32", {"lr": 0.1}),
    ("sgd_momentum", "SGD", "f32", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    ("sgd_nesterov", "SGD", "f32", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("sgd_double", "SGD", "f64", {"lr": 0.1, "momentum": 0.9, "maximize": True}),
]


def bits(tensor):
    kind, digits, mask = (torch.int32, 8, 2**32 - 1) if tensor.dtype == torch.float32 else (torch.int64, 16, 2**64 - 1)
    return " ".join(f"{value & mask:0{digits}x}" for value in tensor.detach().view(kind).tolist())


def run(name, kind, dtype, config):
    yield f"case {name} {kind} {dtype} {json.dumps(config)}"
    generator = torch.Generator().manual_seed(len(name))
    torch_dtype = torch.float32 if dtype == "f32" else torch.float64
    param = torch.nn.Parameter(torch.randn(COUNT, generator=generator, dtype=torch_dtype))
    yield "init " + bits(param)
    optimizer = getattr(torch.optim, kind)([param], fused=True, **config)
    for _ in range(STEPS):
        param.grad = torch.randn(COUNT, generator=generator, dtype=torch_dtype)
        yield "grad " + bits(param.grad)
        optimizer.step()
        yield "value " + bits(param)


def main():
    torch.set_num_threads(1)
    out = pathlib.Path(__file__).with_name("updates.txt")
    lines = [f"# by tests/golden/optim/generate.py with torch {torch.__version__.split('+')[0]}"]
    for case in CASES:
        lines.extend(run(*case))
    out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
