"""Runs the benchmarks and their peers and prints, figure by figure: ours, peer, ratio, target, met or not.

    compare.py --build build [--rounds 3] [--peer-python python] [figure ...]

Figures: step start border data; none given means all. Ours and the peer take turns, so that a busy machine slows both;
a figure is the median over rounds, a ratio the median of ratios within a round. Everything measured is appended to
BUILD/bench/<figure>.json, one line a run. Exit 0 whether targets are met or not; 1 when something did not run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "benchmarks/configs/tiny_mlp.toml"
PEERS = ROOT / "benchmarks/peers"
RANKS = 2


@dataclass
class Figure:
    """One line of the table. limit: what `judged` ("ours" or "ratio") must not exceed, or must reach if at_least."""

    name: str
    unit: str
    ours: float
    limit: float
    judged: str = "ours"
    at_least: bool = False
    peer: float | None = None
    ratio: float | None = None

    def met(self):
        value = self.ours if self.judged == "ours" else self.ratio
        return value >= self.limit if self.at_least else value <= self.limit


class Failed(Exception):
    pass


def start(command):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run(command, until="\0"):
    """Runs a program to its end: its output, and the seconds from its start to the first line that has `until`."""
    begin, seconds, lines = time.perf_counter(), None, []
    with start(command) as process:
        for line in process.stdout:
            lines.append(line)
            if seconds is None and until in line:
                seconds = time.perf_counter() - begin
    output = "".join(lines)
    if process.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{output[-2000:]}")
    return output, seconds


def result_of(output):
    for line in output.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise Failed(f"no RESULT in the peer's output:\n{output[-2000:]}")


class Bench:
    def __init__(self, build, python, rounds):
        self.build, self.python, self.rounds = build.resolve(), python, rounds

    def train(self, work_dir, iters):
        program = self.build / "bin/strata"
        options = ["--work-dir", work_dir, "--cfg-options", f"train_cfg.max_iters={iters}"]
        return run([program, "train", CONFIG, "--nproc", RANKS, *options], until="Iter(train)")

    def torch(self, iters):
        launch = [self.python, "-m", "torch.distributed.run", "--nproc-per-node", RANKS]
        options = ["--engine", "ddp", "--model", "tiny", "--iters", iters]
        return run([*launch, PEERS / "torch_peer.py", *options], until="FIRST")

    def google(self, program, pattern):
        """Google Benchmark's results by name, times in ns."""
        command = [self.build / "benchmarks" / program, f"--benchmark_filter={pattern}"]
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            run([*command, f"--benchmark_out={out.name}", "--benchmark_out_format=json"])
            return {b["name"]: b for b in json.loads(Path(out.name).read_text())["benchmarks"]}


def seconds_a_step(work_dir):
    """The median over windows of 100 iterations of their mean: everything a step costs, hooks and log included."""
    (scalars,) = Path(work_dir).glob("*/vis_data/scalars.json")
    windows = [json.loads(line)["time"] for line in scalars.read_text().splitlines()]
    return statistics.median(windows[1:])  # the first has the start in it


def step(bench):
    ours, peer = [], []
    for _ in range(bench.rounds):
        output, _ = bench.torch(iters=1000)
        peer.append(result_of(output)["median_s"] * 1e3)
        with tempfile.TemporaryDirectory() as work_dir:
            bench.train(work_dir, iters=2000)
            ours.append(seconds_a_step(work_dir) * 1e3)
    return [compared("step of a 3-layer MLP, 2 ranks, DDP", "ms", ours, peer, 0.5)]


def start_up(bench):
    ours, peer, whole = [], [], []
    for _ in range(bench.rounds):
        peer.append(bench.torch(iters=1)[1])
        with tempfile.TemporaryDirectory() as work_dir:
            begin = time.perf_counter()
            ours.append(bench.train(work_dir, iters=1)[1])
            whole.append(time.perf_counter() - begin)
    figure = compared("start to first step, 2 ranks", "s", ours, peer, 0.8)
    figure.judged = "ours"
    run_of_one = Figure("whole run of one step, 2 ranks", "s", statistics.median(whole), 0.8)
    return [figure, run_of_one]


def border(bench):
    calls, units, params = [], [], []
    for _ in range(bench.rounds):
        found = bench.google("border_bench", ".")
        by_kind = [found["event_call"], found["mark_call"]]
        hooks = next(b for name, b in found.items() if name.startswith("autograd_hooks"))
        calls.append(sum(b["calls_per_step"] * b["cpu_time"] for b in by_kind) / 1e3)
        units.append(hooks["us_per_unit"])
        params.append(hooks["us_per_param"])
    return [
        Figure("border calls of a step, 100 units", "us", statistics.median(calls), 10.0),
        Figure("autograd hooks, each unit", "us", statistics.median(units), 1.5),
        Figure("autograd hooks, each parameter", "us", statistics.median(params), 0.5),
    ]


def data(bench):
    ours, peer = [], []
    for _ in range(bench.rounds):
        output, _ = run([bench.python, PEERS / "torchvision_peer.py"])
        peer.append(max(result_of(output).values()) / 1e3)
        found = bench.google("data_bench", "cifar_batches/augment:1/workers:0/")
        (result,) = found.values()
        ours.append(result["items_per_second"] / 1e3)
    figure = compared("augmented CIFAR images, one core", "1000/s", ours, peer, 5.0)
    figure.at_least = True
    return [figure]


def compared(name, unit, ours, peer, limit):
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, peer, strict=True))
    return Figure(name, unit, statistics.median(ours), limit, "ratio", False, statistics.median(peer), ratio)


def print_table(figures):
    print(f"{'figure':38} {'':7} {'ours':>9} {'peer':>9} {'ratio':>7}  {'target':16}")
    for f in figures:
        peer = "" if f.peer is None else f"{f.peer:.4g}"
        ratio = "" if f.ratio is None else f"{f.ratio:.2f}"
        target = f"{f.judged} {'>=' if f.at_least else '<='} {f.limit:g}"
        met = "met" if f.met() else "NOT MET"
        print(f"{f.name:38} {f.unit:>7} {f.ours:9.4g} {peer:>9} {ratio:>7}  {target:16} {met}")


def record(folder, name, figures):
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"when": datetime.now().isoformat(timespec="seconds"), "load": os.getloadavg()[0]}
    with (folder / f"{name}.json").open("a") as out:
        out.write(json.dumps(facts | {"figures": [asdict(f) | {"met": f.met()} for f in figures]}) + "\n")


FIGURES = {"step": step, "start": start_up, "border": border, "data": data}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("figures", nargs="*", metavar="figure", help=" ".join(FIGURES))
    args = parser.parse_args()
    if unknown := set(args.figures) - set(FIGURES):
        parser.error(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")

    bench, table, failed = Bench(args.build, args.peer_python, args.rounds), [], False
    for name in args.figures or FIGURES:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        try:
            figures = FIGURES[name](bench)
        except (Failed, OSError, ValueError, KeyError, statistics.StatisticsError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
            continue
        record(bench.build / "bench", name, figures)
        table += figures
    print_table(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
