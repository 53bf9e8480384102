"""Saving and loading a training state of 2 GB: ours on one rank beside torch.save and torch's distributed checkpoint."""

import re
import statistics
import tempfile
import time
from pathlib import Path

from harness import CONFIGS, PEERS, Figure, compared, result_of, run

CONFIG = CONFIGS / "gpt2.toml"
SAVED = re.compile(r"is on the disk: .* in ([\d.]+) s, for ([\d.]+) s of which training waited")
LOADED = re.compile(r"(?:weights|state) loaded in ([\d.]+) s")


def ours(bench, folder):
    """Seconds of a save, of its stall, and of a load with all checksums compared before."""
    program, work = bench.build / "bin/strata", folder / "ours"
    train = [program, "train", CONFIG, "--work-dir", work, "--cfg-options"]
    saved = run([*train, "train_cfg.max_iters=2", "default_hooks.checkpoint.save_last=true"])
    resumed = run([*train, "train_cfg.max_iters=2", "resume=true"])
    begin = time.perf_counter()
    run([program, "checkpoint", "verify", work / "iter_2"])
    verified = time.perf_counter() - begin
    save, stall = map(float, SAVED.search(saved.output).groups())
    return save, stall, sum(map(float, LOADED.findall(resumed.output))) + verified


def checkpoints(bench):
    rounds = []
    for _ in range(bench.rounds):
        with tempfile.TemporaryDirectory(dir=bench.build) as name:
            folder = Path(name)
            peer = result_of(run([bench.python, PEERS / "checkpoint_peer.py", folder]).output)
            rounds.append((*ours(bench, folder), peer))
    saves, stalls, loads, peers = (list(column) for column in zip(*rounds, strict=True))

    def best(what):
        return [min(peer[f"torch_{what}_s"], peer[f"dcp_{what}_s"]) for peer in peers]

    disk = Figure("the same bytes written to the disk", "s", peer=statistics.median(p["disk_s"] for p in peers))
    return [
        compared("save of 163 M parameters with AdamW's states", "s", saves, best("save"), 0.5),
        compared("load of them, checksums compared", "s", loads, best("load"), 0.5),
        compared("stall of a save, in copies of the state", "s", stalls, [p["copy_s"] for p in peers], 1.2),
        disk,
    ]


FIGURES = {"checkpoint": checkpoints}
