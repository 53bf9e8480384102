"""What the figures of compare.py are made with: running programs, one line of the table, the record of a run."""

import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "benchmarks/configs"
PEERS = ROOT / "benchmarks/peers"
RANKS = 2
SAMPLE_S = 0.2  # between two looks at a program's memory


@dataclass
class Figure:
    """One line of the table. limit: what `judged` ("ours" or "ratio") must not exceed, or must reach if at_least."""

    name: str
    unit: str
    ours: float | None = None
    limit: float | None = None
    judged: str = "ours"
    at_least: bool = False
    peer: float | None = None
    ratio: float | None = None

    def met(self):
        if self.limit is None:
            return None
        value = self.ours if self.judged == "ours" else self.ratio
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass
class Run:
    output: str
    seconds: float | None = None  # from the start to the first line with what was waited for
    peak_mib: float = 0.0  # resident, of the process among it and its children that had most; sampled on request


class Failed(Exception):
    pass


class PeakMemory(threading.Thread):
    """Follows a program and its children: both sides' launchers start one process for each rank, and have less."""

    def __init__(self, program):
        super().__init__(daemon=True)
        self.program, self.ended, self.kib = program, threading.Event(), 0

    def run(self):
        while not self.ended.wait(SAMPLE_S):
            for process in Path("/proc").glob("[0-9]*"):
                self.kib = max(self.kib, self.of(process))

    def of(self, process):
        try:
            facts = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        except OSError:  # it has ended
            return 0
        ours = self.program in (int(facts["Pid"]), int(facts["PPid"]))
        return int(facts["VmHWM"].split()[0]) if ours and "VmHWM" in facts else 0

    def stop(self):
        self.ended.set()
        self.join()
        return self.kib / 1024


def run(command, until="\0", memory=False, threads=1):
    """Runs a program to its end, with so many threads a process."""
    begin, lines, found = time.perf_counter(), [], Run("")
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "DS_ACCELERATOR": "cpu"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        watch = PeakMemory(process.pid)
        if memory:
            watch.start()
        for line in process.stdout:
            lines.append(line)
            if found.seconds is None and until in line:
                found.seconds = time.perf_counter() - begin
        if memory:
            found.peak_mib = watch.stop()
    found.output = "".join(lines)
    if process.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{found.output[-2000:]}")
    return found


def result_of(output):
    for line in output.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise Failed(f"no RESULT in the peer's output:\n{output[-2000:]}")


class Bench:
    def __init__(self, build, python, rounds):
        self.build, self.python, self.rounds = build.resolve(), python, rounds

    def train(self, config, work_dir, iters, memory=False):
        program = self.build / "bin/strata"
        options = ["--work-dir", work_dir, "--cfg-options", f"train_cfg.max_iters={iters}"]
        return run([program, "train", CONFIGS / config, "--nproc", RANKS, *options], "Iter(train)", memory)

    def torch(self, engine, model, iters, memory=False):
        launch = [self.python, "-m", "torch.distributed.run", "--nproc-per-node", RANKS]
        options = ["--engine", engine, "--model", model, "--iters", iters]
        return run([*launch, PEERS / "torch_peer.py", *options], "FIRST", memory)

    def google(self, program, pattern):
        """Google Benchmark's results by name, times in ns."""
        command = [self.build / "benchmarks" / program, f"--benchmark_filter={pattern}"]
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            run([*command, f"--benchmark_out={out.name}", "--benchmark_out_format=json"])
            return {b["name"]: b for b in json.loads(Path(out.name).read_text())["benchmarks"]}


def scalars_of(work_dir):
    """The log lines of a run: mean seconds of an iteration, hooks and log included, and peak MiB, since the last."""
    (scalars,) = Path(work_dir).glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in scalars.read_text().splitlines()]


def compared(name, unit, ours, peer, limit):
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, peer, strict=True))
    return Figure(name, unit, statistics.median(ours), limit, "ratio", False, statistics.median(peer), ratio)


def print_table(figures):
    width = max(len(f.name) for f in figures) if figures else 0
    print(f"{'figure':{width}} {'':7} {'ours':>9} {'peer':>9} {'ratio':>7}  {'target':16}")
    for f in figures:
        ours, peer = ("" if value is None else f"{value:.4g}" for value in (f.ours, f.peer))
        ratio = "" if f.ratio is None else f"{f.ratio:.2f}"
        target = "" if f.limit is None else f"{f.judged} {'>=' if f.at_least else '<='} {f.limit:g}"
        met = {None: "", True: "met", False: "NOT MET"}[f.met()]
        print(f"{f.name:{width}} {f.unit:>7} {ours:>9} {peer:>9} {ratio:>7}  {target:16} {met}".rstrip())


def record(folder, name, figures):
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"when": datetime.now().isoformat(timespec="seconds"), "load": os.getloadavg()[0]}
    with (folder / f"{name}.json").open("a") as out:
        out.write(json.dumps(facts | {"figures": [asdict(f) | {"met": f.met()} for f in figures]}) + "\n")
