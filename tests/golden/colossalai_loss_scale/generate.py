#!/usr/bin/env python3
"""Writes what ColossalAI's dynamic loss scaler does with sequences of overflows.

    pip download colossalai==0.5.0 --no-deps --no-binary :all: && tar xzf colossalai-0.5.0.tar.gz
    python tests/golden/colossalai_loss_scale/generate.py colossalai-0.5.0

The scaler's own files run; the two modules that they import for a device and a logger are stood in for, as the rest of
ColossalAI wants an older torch. One block per case: `case NAME JSON` (the constructor's arguments), `overflow 0 1 ...`
(1: the update of this iteration overflowed) and `scale ...`: the scale after each.
"""

import importlib.util
import json
import sys
import types
from pathlib import Path

import torch


def case(initial_scale, growth_interval, hysteresis=2, min_scale=1, max_scale=2**32, **factors):
    return {
        "initial_scale": initial_scale,
        "growth_factor": factors.get("growth_factor", 2),
        "backoff_factor": factors.get("backoff_factor", 0.5),
        "growth_interval": growth_interval,
        "min_scale": min_scale,
        "max_scale": max_scale,
        "hysteresis": hysteresis,
    }


CASES = [
    ("hysteresis", case(2**8, 4), "011010000011"),
    ("counted_anew_after_growth_only", case(2**8, 4), "1" + "0" * 3 + "1" + "0" * 4 + "1" + "0" * 2 + "1"),
    ("no_hysteresis", case(16, 2, hysteresis=1), "11000100000"),
    ("three_overflows_allowed", case(2**10, 2, hysteresis=3), "111101011000001111"),
    ("growth_counts_good_updates_in_a_row", case(4, 3), "001001000000"),
    ("stops_at_the_least", case(8, 1000, hysteresis=1, min_scale=2), "11111"),
    ("stops_at_the_most", case(2**31, 1, max_scale=2**32), "0000"),
    ("other_factors", case(100, 2, hysteresis=1, growth_factor=3, backoff_factor=0.25), "00110000"),
    ("low_level_zero", case(2**32, 1000), "1" * 18 + "0" * 3 + "1"),
]


def load_scaler(unpacked):
    device = types.SimpleNamespace(get_current_device=lambda: torch.device("cpu"), device_count=lambda: 0)
    for name, members in {
        "colossalai": {},
        "colossalai.accelerator": {"get_accelerator": lambda: device},
        "colossalai.logging": {"get_dist_logger": lambda: None},
    }.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(members)
    folder = Path(unpacked) / "colossalai/amp/naive_amp/grad_scaler"
    spec = importlib.util.spec_from_file_location(
        "grad_scaler", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules["grad_scaler"] = package
    spec.loader.exec_module(package)
    return package.DynamicGradScaler


def main():
    scaler_type = load_scaler(sys.argv[1])
    lines = [f"# by tests/golden/colossalai_loss_scale/generate.py with {Path(sys.argv[1]).resolve().name}"]
    for name, arguments, overflows in CASES:
        scaler, scales = scaler_type(**arguments), []
        for overflow in overflows:
            scaler.update(overflow == "1")
            scales.append(f"{scaler.scale.item():.17g}")
        lines += [f"case {name} {json.dumps(arguments)}", "overflow " + " ".join(overflows), "scale " + " ".join(scales)]
    Path(__file__).with_name("sequences.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
