"""Runs the benchmarks and their peers and prints, figure by figure: ours, peer, ratio, target, met or not.

    compare.py --build build [--rounds 3] [--peer-python python] [figure ...]

Figures: step start border data optimizers fsdp_mlp fsdp_resnet50 fsdp_gpt2 checkpoint; none given means all. Ours and the peers take turns,
so that a busy machine slows both; a figure is the median over rounds, a ratio the median of ratios within a round. The
last two have long steps and one round. Everything measured is appended to BUILD/bench/<figure>.json, one line a run.
Exit 0 whether targets are met or not; 1 when something did not run.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import checkpoints
import optimizers
import sharded
from harness import PEERS, ROOT, Bench, Failed, Figure, compared, print_table, record, result_of, run, scalars_of

CONFIG = "tiny_mlp.toml"


def seconds_a_step(work_dir):
    """The median over windows of 100 iterations of their mean."""
    windows = [line["time"] for line in scalars_of(work_dir)]
    return statistics.median(windows[1:])  # the first has the start in it


def step(bench):
    ours, peer = [], []
    for _ in range(bench.rounds):
        peer.append(result_of(bench.torch("ddp", "mlp", iters=1000).output)["median_s"] * 1e3)
        with tempfile.TemporaryDirectory() as work_dir:
            bench.train(CONFIG, work_dir, iters=2000)
            ours.append(seconds_a_step(work_dir) * 1e3)
    return [compared("step of a 3-layer MLP, 2 ranks, DDP", "ms", ours, peer, 0.5)]


def start_up(bench):
    ours, peer, whole = [], [], []
    for _ in range(bench.rounds):
        peer.append(bench.torch("ddp", "mlp", iters=1).seconds)
        with tempfile.TemporaryDirectory() as work_dir:
            begin = time.perf_counter()
            ours.append(bench.train(CONFIG, work_dir, iters=1).seconds)
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
        output = run([bench.python, PEERS / "torchvision_peer.py"]).output
        peer.append(max(result_of(output).values()) / 1e3)
        found = bench.google("data_bench", "cifar_batches/augment:1/workers:0/")
        (result,) = found.values()
        ours.append(result["items_per_second"] / 1e3)
    figure = compared("augmented CIFAR images, one core", "1000/s", ours, peer, 5.0)
    figure.at_least = True
    return [figure]


FIGURES = {"step": step, "start": start_up, "border": border, "data": data}
FIGURES |= optimizers.FIGURES | sharded.FIGURES | checkpoints.FIGURES


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
