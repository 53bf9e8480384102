"""Steps and memory of sharded training: FSDPStrategy, ZeRO-3 and Gemini beside torch's FSDP1, FSDP2 and DeepSpeed's ZeRO-3."""

import statistics
import tempfile
from dataclasses import dataclass

from harness import Figure, compared, result_of, scalars_of

OURS = {"FSDPStrategy": "fsdp", "DeepSpeedStrategy": "zero3", "ColossalAIStrategy": "gemini"}
PEERS = {"FSDP1": "fsdp1", "FSDP2": "fsdp2", "ZeRO-3": "ds3"}


@dataclass
class Case:
    """The same work on both sides: benchmarks/configs/{fsdp,zero3,gemini}_MODEL.toml and benchmarks/peers/models.py."""

    title: str
    model: str
    our_iters: int
    peer_iters: int
    warm_up: int  # log lines of ours that do not count
    unit: str = "s"
    heavy: bool = True  # one round is enough: a step is long
    judge: str = "fastest"  # whose step ours is divided by: a key of PEERS, or the fastest of a round
    limit: float | None = None


MLP = Case("3-layer MLP", "mlp", 2000, 400, 1, "ms", heavy=False, judge="FSDP2", limit=0.15)
RESNET = Case("ResNet-50, batch 128", "resnet50", 6, 6, 2)
GPT2 = Case("GPT-2 163 M, seq 128, batch 2", "gpt2", 4, 3, 1, limit=1.0)


def ours(bench, case, strategy):
    with tempfile.TemporaryDirectory() as work_dir:
        done = bench.train(f"{OURS[strategy]}_{case.model}.toml", work_dir, case.our_iters, memory=True)
        lines = scalars_of(work_dir)
    # A log line resets the peak that the system keeps: the largest of all is that of the run.
    peak = max(done.peak_mib, *(line["memory"] for line in lines))
    return statistics.median(line["time"] for line in lines[case.warm_up :]), peak


def peer(bench, case, engine):
    done = bench.torch(PEERS[engine], case.model, case.peer_iters, memory=True)
    return result_of(done.output)["median_s"], done.peak_mib


def measure(bench, case):
    """For each engine the rounds' (seconds a step, peak MiB)."""
    found = {name: [] for name in (*OURS, *PEERS)}
    for _ in range(1 if case.heavy else bench.rounds):
        for strategy in OURS:
            found[strategy].append(ours(bench, case, strategy))
        for engine in PEERS:
            found[engine].append(peer(bench, case, engine))
    scale = {"s": 1.0, "ms": 1e3}[case.unit]
    return {name: [(seconds * scale, peak) for seconds, peak in rounds] for name, rounds in found.items()}


def figures(bench, case):
    found = measure(bench, case)
    steps = {name: [step for step, _ in rounds] for name, rounds in found.items()}
    peaks = {name: [peak for _, peak in rounds] for name, rounds in found.items()}
    fastest = [min(rounds) for rounds in zip(*(steps[engine] for engine in PEERS), strict=True)]
    smallest = [min(rounds) for rounds in zip(*(peaks[engine] for engine in PEERS), strict=True)]
    judge = fastest if case.judge == "fastest" else steps[case.judge]
    judge_name = "fastest peer" if case.judge == "fastest" else f"peer {case.judge}"
    out = []
    for name in OURS:
        head = f"{case.title}, {name}"
        out.append(compared(f"{head}: step, {judge_name}", case.unit, steps[name], judge, case.limit))
        out.append(compared(f"{head}: memory, smallest peer", "MiB", peaks[name], smallest, 1.0))
    for name in PEERS:
        out.append(Figure(f"  step of {name}", case.unit, peer=statistics.median(steps[name])))
        out.append(Figure(f"  memory of {name}", "MiB", peer=statistics.median(peaks[name])))
    return out


FIGURES = {
    "fsdp_mlp": lambda bench: figures(bench, MLP),
    "fsdp_resnet50": lambda bench: figures(bench, RESNET),
    "fsdp_gpt2": lambda bench: figures(bench, GPT2),
}
