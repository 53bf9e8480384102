"""One training step through PyTorch's and DeepSpeed's own engines, on CPU ranks over Gloo: what ours is compared with.

    python -m torch.distributed.run --nproc-per-node 2 torch_peer.py --engine ddp --model mlp --iters 500

Rank 0 prints FIRST after its first step and one line RESULT {json} at the end: median and least seconds of a step,
peak resident MiB, first losses. DeepSpeed's engines need deepspeed, the ResNet torchvision; the others torch alone.
"""

import argparse
import json
import os
import resource
import statistics
import time

import torch
import torch.distributed as dist
from models import MODELS
from torch import nn

ENGINES = ["single", "ddp", "zero1", "fsdp1", "fsdp2", "ds1", "ds2", "ds3"]
RANK, WORLD = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def fsdp1(work):
    from functools import partial

    from torch.distributed.fsdp import FullyShardedDataParallel
    from torch.distributed.fsdp.wrap import size_based_auto_wrap_policy

    policy = partial(size_based_auto_wrap_policy, min_num_params=work.min_num_params)
    return FullyShardedDataParallel(work.model, auto_wrap_policy=policy, device_id=torch.device("cpu"))


def fsdp2(work):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (WORLD,))
    for module in work.apart(work.model):
        fully_shard(module, mesh=mesh)
    return fully_shard(work.model, mesh=mesh)


def deepspeed_step(work, stage):
    import deepspeed

    deepspeed.init_distributed("gloo")
    engine, *_ = deepspeed.initialize(
        model=work.model,
        optimizer=torch.optim.AdamW(work.model.parameters(), lr=1e-3, fused=True),
        config={
            "train_micro_batch_size_per_gpu": 1,
            "gradient_accumulation_steps": 1,
            "steps_per_print": 10**9,
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
            "zero_optimization": {
                "stage": stage,
                "overlap_comm": True,
                "contiguous_gradients": True,
                "reduce_bucket_size": 50_000_000,
                "allgather_bucket_size": 50_000_000,
            },
        },
    )

    def step(inputs, labels):
        loss = engine(inputs, labels)
        engine.backward(loss)
        engine.step()
        return loss

    return step


def torch_step(work, engine):
    if WORLD > 1:
        dist.init_process_group("gloo")
    model = work.model
    if engine in ("ddp", "zero1"):
        model = nn.parallel.DistributedDataParallel(model)
    elif engine in ("fsdp1", "fsdp2"):
        model = {"fsdp1": fsdp1, "fsdp2": fsdp2}[engine](work)
    if engine == "zero1":
        from torch.distributed.optim import ZeroRedundancyOptimizer

        optimizer = ZeroRedundancyOptimizer(model.parameters(), torch.optim.AdamW, lr=1e-3)
    else:
        # The fused kernel is torch's fastest on a CPU; FSDP2's sharded parameters do not take it.
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=engine != "fsdp2")

    def step(inputs, labels):
        optimizer.zero_grad()
        loss = model(inputs, labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=ENGINES, default="ddp")
    parser.add_argument("--model", choices=MODELS, default="mlp")
    parser.add_argument("--iters", type=int, default=500)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

    torch.manual_seed(0)
    work = MODELS[args.model]()
    step = deepspeed_step(work, int(args.engine[2:])) if args.engine.startswith("ds") else torch_step(work, args.engine)
    seconds, losses = [], []
    for i in range(args.iters):
        begin = time.perf_counter()
        losses.append(float(step(*work.batch()).detach()))
        seconds.append(time.perf_counter() - begin)
        if i == 0 and RANK == 0:
            print("FIRST", flush=True)
    if RANK == 0:
        timed = seconds[min(len(seconds) // 2, 10) :]
        result = {
            "engine": args.engine,
            "model": args.model,
            "world": WORLD,
            "median_s": statistics.median(timed),
            "min_s": min(timed),
            "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "losses": losses[:4],
        }
        print("RESULT", json.dumps(result), flush=True)
    if WORLD > 1:
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
