"""Updates of Adam beside torch's fused AdamW and DeepSpeed's CPUAdam, an element, with as many threads on both sides."""

from harness import PEERS, compared, result_of, run

THREADS = (1, 2)
TITLES = {
    "fp32": "fp32",
    "bf16": "bf16 values and gradients",
    "mixed_bf16": "fp32 masters, bf16 gradients and copy",
}


def ours(bench):
    """{(variant, threads): ns}"""
    found = {}
    for name, result in bench.google("optim_bench", "adam/(fp32|bf16|mixed_bf16)/").items():
        _, variant, threads, *_ = name.split("/")
        found[variant, int(threads.removeprefix("threads:"))] = result["ns_per_element"]
    return found


def optimizers(bench):
    mine, theirs = [], {threads: [] for threads in THREADS}
    for _ in range(bench.rounds):
        mine.append(ours(bench))
        for threads in THREADS:
            command = [bench.python, PEERS / "optimizer_peer.py"]
            theirs[threads].append(result_of(run(command, threads=threads).output))
    figures = []
    for threads in THREADS:
        for key in theirs[threads][0]:
            library, variant = key.split()
            name = f"Adam, {TITLES[variant]}, {threads} thread{'s'[: threads - 1]}: {library}"
            at = [found[variant, threads] for found in mine]
            peer = [found[key] for found in theirs[threads]]
            figures.append(compared(name, "ns", at, peer, 1.0))
    return figures


FIGURES = {"optimizers": optimizers}
