"""Saving and loading a training state of 2 GB: ours on one rank beside torch.save and torch's distributed checkpoint,
and beside what fio says of the disk."""

import json
import os
import re
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness import CONFIGS, PEERS, Figure, result_of, run

CONFIG = CONFIGS / "gpt2.toml"
SAVES = 3
LOADS = 3  # from the disk, whose speed changes while one looks: before each fio has its turn
SAVED = re.compile(r"is on the disk: .* in ([\d.]+) s, for ([\d.]+) s of which training waited")
LOADED = re.compile(r"(?:weights|state) loaded in ([\d.]+) s")
VERIFIED = re.compile(r"as they were written \(([\d.]+) s\)")
STATES = re.compile(r"Model states on rank 0: ([\d.]+) GiB")
LARGEST_MIB = 50257 * 768 * 4 / 2**20  # the embedding
DISK_SHARE = 1.1  # of fio's time: at the disk's limit


@dataclass
class Ours:
    saves: list  # seconds, the first one and those that follow
    stalls: list
    disk_plain: float  # a load from the disk that compares nothing, as the peers'
    disk_compared: float
    fio_disk: float  # reads the same files, at the same time
    load_cache: float  # compared
    peak_mib: float  # of a run that loads and ends
    states_mib: float  # of the model: values, gradients, optimizer


def touch(bench, size):
    """Memory that a virtual machine gives for the first time costs seconds: both sides find it touched."""
    run([bench.python, "-c", f"import torch; torch.ones({size} // 4)"])


def in_cache(folder, wanted):
    for file in folder.iterdir():
        with file.open("rb") as handle:
            if wanted:
                while handle.read(8 << 20):
                    pass
            else:
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ours(bench, folder):
    program, work = bench.build / "bin/strata", folder / "ours"
    hook = "default_hooks.checkpoint"
    each = [f"{hook}.by_epoch=false", f"{hook}.interval=1", f"{hook}.max_keep_ckpts=1", f"{hook}.save_last=false"]
    train = [program, "train", CONFIG, "--work-dir", work, "--cfg-options", f"train_cfg.max_iters={SAVES}"]
    saved = [tuple(map(float, found)) for found in SAVED.findall(run([*train, *each]).output)]
    last = work / f"iter_{SAVES}"

    def load(cached, compare):
        in_cache(last, cached)
        comparing = 0.0
        if compare:  # what a resumed run does first, for it does not tell how long
            comparing = float(VERIFIED.search(run([program, "checkpoint", "verify", last]).output)[1])
        resumes = [f"{hook}.save_last=false", "resume=true", f"load_cfg.verify={str(compare).lower()}"]
        found = run([*train, *resumes], memory=True)
        return comparing + sum(map(float, LOADED.findall(found.output))), found

    plain, compared, limits = [], [], []
    for _ in range(LOADS):
        in_cache(last, False)
        files = ":".join(str(file) for file in last.glob("*.safetensors"))
        limits.append(fio("read", f"--filename={files}", "--readonly", "--file_service_type=sequential"))
        plain.append(load(cached=False, compare=False)[0])
        compared.append(load(cached=False, compare=True)[0])
    from_cache, resumed = load(cached=True, compare=True)
    return Ours(
        [seconds for seconds, _ in saved],
        [stall for _, stall in saved],
        statistics.median(plain),
        statistics.median(compared),
        statistics.median(limits),
        from_cache,
        resumed.peak_mib,
        float(STATES.search(resumed.output)[1]) * 1024,
    )


def peer(bench, folder):
    return result_of(run([bench.python, PEERS / "checkpoint_peer.py", folder]).output)


def fio(how, *options):
    """Seconds of reading or writing past the page cache."""
    same = ["--bs=4M", "--direct=1", "--end_fsync=1", "--ioengine=psync", "--output-format=json"]
    output = run(["fio", "--name=disk", f"--rw={how}", *options, *same]).output
    return json.loads(output[output.index("{") :])["jobs"][0]["job_runtime"] / 1e3


def one_round(bench, number):
    found = {}
    sides = [("peer", peer), ("ours", ours)]
    for name, side in sides if number % 2 == 0 else reversed(sides):
        with tempfile.TemporaryDirectory(dir=bench.build) as folder:
            touch(bench, 6 << 30)
            found[name] = side(bench, Path(folder))
    with tempfile.TemporaryDirectory(dir=bench.build) as folder:
        found["write"] = fio("write", f"--filename={folder}/fio", f"--size={found['peer']['bytes']}")
    return found


def twice_as_fast(name, rounds, mine, theirs, disk=lambda _: 0):
    """As fast, or at the disk's limit. disk: its seconds, none where it has no part in it."""
    peers = [min(theirs(engine) for engine in r["peer"]["engines"]) for r in rounds]
    seconds = [mine(r["ours"]) for r in rounds]
    allowed = [max(p / 2, DISK_SHARE * disk(r)) for p, r in zip(peers, rounds, strict=True)]
    middle = statistics.median
    ratio = middle(s / p for s, p in zip(seconds, peers, strict=True))
    return Figure(name, "s", middle(seconds), middle(allowed), "ours", peer=middle(peers), ratio=ratio)


def stalls(name, rounds, number, copy):
    seconds = [r["ours"].stalls[number] for r in rounds]
    copied = [r["peer"]["copies"][copy] for r in rounds]
    ratio = statistics.median(s / c for s, c in zip(seconds, copied, strict=True))
    return Figure(name, "s", statistics.median(seconds), 1.2, "ratio", False, statistics.median(copied), ratio)


def peak_memory(bench, rounds):
    with tempfile.TemporaryDirectory(dir=bench.build) as folder:
        program = [bench.build / "bin/strata", "train", CONFIGS / "tiny_mlp.toml", "--work-dir", folder]
        itself = run([*program, "--cfg-options", "train_cfg.max_iters=5000"], memory=True).peak_mib
    peaks = [r["ours"].peak_mib - itself for r in rounds]
    limit = max(r["ours"].states_mib for r in rounds) + LARGEST_MIB
    return Figure("peak memory of loading, less that of a tiny run", "MiB", statistics.median(peaks), limit)


def checkpoints(bench):
    rounds = [one_round(bench, number) for number in range(bench.rounds)]

    def written(found):
        return found["write"]

    def read(found):
        return found["ours"].fio_disk

    return [
        twice_as_fast("first save", rounds, lambda o: o.saves[0], lambda e: e["saves"][0], written),
        twice_as_fast("later save", rounds, lambda o: o.saves[-1], lambda e: e["saves"][1], written),
        twice_as_fast("load from the disk", rounds, lambda o: o.disk_plain, lambda e: e["load_disk"], read),
        Figure("the same, checksums compared before", "s", statistics.median(r["ours"].disk_compared for r in rounds)),
        twice_as_fast("load from the page cache, compared before", rounds, lambda o: o.load_cache, lambda e: e["load_cache"]),
        stalls("stall of the first save; a clone", rounds, 0, 0),
        stalls("stall of a later save; another clone", rounds, -1, 1),
        stalls("the same; a copy into a clone", rounds, -1, 2),
        Figure("fio writes as many bytes", "s", peer=statistics.median(map(written, rounds))),
        Figure("fio reads as many bytes", "s", peer=statistics.median(map(read, rounds))),
        peak_memory(bench, rounds),
    ]


FIGURES = {"checkpoint": checkpoints}
