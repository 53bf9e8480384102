"""One training step through PyTorch's and DeepSpeed's own engines, on CPU ranks over Gloo: what ours is compared with.

    python -m torch.distributed.run --nproc-per-node 2 torch_peer.py --engine ddp --model tiny --iters 500

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
from torch import nn
from torch.nn import functional as F

ENGINES = ["single", "ddp", "zero1", "fsdp2", "ds1", "ds2", "ds3"]
RANK, WORLD = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


class Classifier(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, images, labels):
        return F.cross_entropy(self.net(images), labels)


def make_model(name):
    """The model, the shape of one sample and the classes whose instances are sharded apart."""
    torch.manual_seed(0)
    if name == "tiny":  # benchmarks/configs/tiny_mlp.toml
        layers = [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)]
        return Classifier(nn.Sequential(nn.Flatten(), *layers)), (8, 8), nn.Linear
    import torchvision

    return Classifier(torchvision.models.resnet50(num_classes=10)), (3, 32, 32), nn.Sequential


def shard(model, kind):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (WORLD,))
    for module in model.modules():
        if isinstance(module, kind):
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def deepspeed_step(model, stage):
    import deepspeed

    deepspeed.init_distributed("gloo")
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3),
        config={
            "train_micro_batch_size_per_gpu": 1,
            "steps_per_print": 10**9,
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
            "zero_optimization": {"stage": stage, "overlap_comm": True, "contiguous_gradients": True},
        },
    )

    def step(images, labels):
        loss = engine(images, labels)
        engine.backward(loss)
        engine.step()
        return loss

    return step


def torch_step(model, engine, kind):
    if WORLD > 1:
        dist.init_process_group("gloo")
    if engine in ("ddp", "zero1"):
        model = nn.parallel.DistributedDataParallel(model)
    elif engine == "fsdp2":
        model = shard(model, kind)
    if engine == "zero1":
        from torch.distributed.optim import ZeroRedundancyOptimizer

        optimizer = ZeroRedundancyOptimizer(model.parameters(), torch.optim.AdamW, lr=1e-3)
    else:
        # The fused kernel is torch's fastest on a CPU; sharded parameters do not take it.
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=engine != "fsdp2")

    def step(images, labels):
        optimizer.zero_grad()
        loss = model(images, labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=ENGINES, default="ddp")
    parser.add_argument("--model", choices=["tiny", "resnet50"], default="tiny")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--iters", type=int, default=500)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

    model, shape, kind = make_model(args.model)
    make = args.engine.startswith("ds")
    step = deepspeed_step(model, int(args.engine[2:])) if make else torch_step(model, args.engine, kind)
    generator = torch.Generator().manual_seed(RANK)
    seconds, losses = [], []
    for i in range(args.iters):
        begin = time.perf_counter()
        images = torch.randn(args.batch, *shape, generator=generator)
        labels = torch.randint(0, 10, (args.batch,), generator=generator)
        losses.append(float(step(images, labels).detach()))
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
