#!/usr/bin/env python3
"""Writes the learning rates and momenta that DeepSpeed's schedulers give to the first 15 updates.

    PYTHONPATH=PEERS DS_ACCELERATOR=cpu python tests/golden/deepspeed_schedulers/generate.py

PEERS has benchmarks/peers/requirements.txt in it. One block per case: `case NAME TYPE LR JSON` (LR: what the optimizer
was given; JSON: the scheduler's arguments), `lr ...` and, where the scheduler moves it, `momentum ...` (the first beta
of Adam). Value i is in force at update i: the first is what construction leaves, each next what one more step() does.
"""

import json
from pathlib import Path

import deepspeed
import torch
from deepspeed.runtime import lr_schedules

UPDATES = 15
CYCLE = {"cycle_min_lr": 0.001, "cycle_max_lr": 0.1, "cycle_first_step_size": 4}
CASES = [
    ("warmup_log", "WarmupLR", 1.0, {"warmup_num_steps": 5}),
    ("warmup_log_ten", "WarmupLR", 1.0, {"warmup_max_lr": 0.001, "warmup_num_steps": 10, "warmup_type": "log"}),
    ("warmup_linear", "WarmupLR", 1.0, {"warmup_num_steps": 5, "warmup_type": "linear"}),
    ("warmup_from_above_zero", "WarmupLR", 0.5, {"warmup_min_lr": 0.1, "warmup_num_steps": 8}),
    ("warmup_one_step", "WarmupLR", 1.0, {"warmup_num_steps": 1}),
    ("decay_log", "WarmupDecayLR", 1.0, {"total_num_steps": 10, "warmup_num_steps": 4}),
    ("decay_linear", "WarmupDecayLR", 1.0, {
        "total_num_steps": 13, "warmup_min_lr": 0.01, "warmup_max_lr": 0.2, "warmup_num_steps": 3,
        "warmup_type": "linear",
    }),
    ("decay_shorter_than_warmup", "WarmupDecayLR", 1.0, {"total_num_steps": 3, "warmup_num_steps": 6}),
    ("cosine_log", "WarmupCosineLR", 1.0, {"total_num_steps": 10, "warmup_num_steps": 3}),
    ("cosine_four", "WarmupCosineLR", 0.001, {"total_num_steps": 10, "warmup_num_steps": 4}),
    ("cosine_linear", "WarmupCosineLR", 0.02, {
        "total_num_steps": 12, "warmup_num_steps": 5, "warmup_type": "linear", "warmup_min_ratio": 0.1,
        "cos_min_ratio": 0.05,
    }),
    ("cycle_decay", "OneCycle", 1.0, CYCLE | {"decay_lr_rate": 0.5, "decay_step_size": 2}),
    ("cycle_no_decay", "OneCycle", 1.0, CYCLE | {"cycle_second_step_size": 6}),
    ("cycle_momentum_decay", "OneCycle", 1.0, CYCLE | {
        "cycle_second_step_size": 3, "decay_lr_rate": 0.1, "decay_mom_rate": 0.002, "decay_step_size": 1,
        "cycle_min_mom": 0.7, "cycle_max_mom": 0.95,
    }),
    ("cycle_stairs", "OneCycle", 1.0, CYCLE | {
        "cycle_first_step_size": 6, "cycle_first_stair_count": 3, "cycle_second_stair_count": 2,
    }),
    ("cycle_fixed_momentum", "OneCycle", 1.0, CYCLE | {"cycle_momentum": False}),
    ("range", "LRRangeTest", 1.0, {"lr_range_test_min_lr": 0.01, "lr_range_test_step_size": 4}),
    ("range_stairs", "LRRangeTest", 1.0, {
        "lr_range_test_min_lr": 0.01, "lr_range_test_step_size": 4, "lr_range_test_step_rate": 2.5,
        "lr_range_test_staircase": True,
    }),
]


def run(name, kind, lr, config):
    yield f"case {name} {kind} {lr!r} {json.dumps(config)}"
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = getattr(lr_schedules, kind)(optimizer, **config)
    (group,) = optimizer.param_groups
    rates, momenta = [], []
    for _ in range(UPDATES):
        rates.append(group["lr"])
        momenta.append(group["betas"][0])
        scheduler.step()
    yield "lr " + " ".join(repr(float(rate)) for rate in rates)
    if getattr(scheduler, "cycle_momentum", False):
        yield "momentum " + " ".join(repr(momentum) for momentum in momenta)


def main():
    lines = [f"# by tests/golden/deepspeed_schedulers/generate.py with deepspeed {deepspeed.__version__}"]
    for case in CASES:
        lines.extend(run(*case))
    Path(__file__).with_name("values.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
