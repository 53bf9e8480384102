#!/usr/bin/env python3
"""Writes what DeepSpeed's dynamic loss scaler does with sequences of overflows.

    PYTHONPATH=PEERS DS_ACCELERATOR=cpu python tests/golden/loss_scale/generate.py

PEERS has benchmarks/peers/requirements.txt in it. One block per case: `case NAME JSON` (init_scale, scale_window,
min_scale, hysteresis, consecutive_hysteresis), `overflow 0 1 ...` (1: the update of this iteration overflowed) and
`scale ...`: the scale after each. `ends` is the scale of an overflow that cannot lower it any more: an exception.
"""

import json
from pathlib import Path

import deepspeed
import torch
import torch.distributed as dist
from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler


def case(init_scale, scale_window, hysteresis, min_scale=1, consecutive_hysteresis=False):
    return {
        "init_scale": init_scale,
        "scale_window": scale_window,
        "min_scale": min_scale,
        "hysteresis": hysteresis,
        "consecutive_hysteresis": consecutive_hysteresis,
    }


MIXED = "011010000011"
CASES = [
    ("hysteresis", case(2**8, 4, 2), MIXED),
    ("consecutive_hysteresis", case(2**8, 4, 2, consecutive_hysteresis=True), MIXED),
    ("no_hysteresis", case(16, 2, 1), "11000100000"),
    ("refilled_by_growth", case(2**16, 3, 2), "1" + "0" * 7 + "11" + "0" * 4 + "1"),
    ("three_overflows_allowed", case(2**10, 2, 3), "111101011000001111"),
    ("growth_from_the_start", case(1, 2, 1), "0" * 9),
    ("window_of_one", case(4, 1, 1), "000100100"),
    ("stops_at_the_least", case(8, 1000, 1, min_scale=2), "111"),
    ("least_is_not_a_power", case(8, 1000, 1, min_scale=3), "111"),
    ("at_the_least_with_hysteresis", case(2, 1000, 2, min_scale=1), "1111"),
    ("seed", case(2**15, 1000, 2), "1" * 6 + "0" * 3 + "1"),
]


def run(name, config, overflows):
    yield f"case {name} {json.dumps(config)}"
    yield "overflow " + " ".join(overflows)
    arguments = {key: value for key, value in config.items() if key != "hysteresis"}
    scaler, scales = DynamicLossScaler(delayed_shift=config["hysteresis"], dtype=torch.half, **arguments), []
    for overflow in overflows:
        try:
            scaler.update_scale(overflow == "1")
        except Exception as error:  # DeepSpeed raises no type of its own here
            assert "already at minimum" in str(error), error
            scales.append("ends")
            break
        scales.append(f"{scaler.loss_scale:g}")
    yield "scale " + " ".join(scales)


def main():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    deepspeed.init_distributed("gloo")
    lines = [f"# by tests/golden/loss_scale/generate.py with deepspeed {deepspeed.__version__}"]
    for name, config, overflows in CASES:
        lines.extend(run(name, config, overflows))
    Path(__file__).with_name("sequences.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
