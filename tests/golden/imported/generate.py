"""Writes small checkpoints of DeepSpeed and PyTorch, and the weights that their own tools read in them.

Run in this folder, with torch 2.15.0, deepspeed 0.19.8 and safetensors 0.8.0:
    DS_ACCELERATOR=cpu torchrun --nproc-per-node 2 generate.py zero1 && … zero3 && … fsdp
    DS_ACCELERATOR=cpu torchrun --nproc-per-node 3 generate.py zero2
    torchrun --nproc-per-node 2 generate.py fsdp1_full && torchrun --nproc-per-node 2 generate.py fsdp2_full
Beside a folder `name`, or a file name.pth, stands name.safetensors, in fp32. DeepSpeed's tool leaves out frozen parameters of stage 1; they are added here.
"""
import os
import shutil
import sys

import torch
import torch.distributed as dist
from safetensors.torch import save_file


class Model(torch.nn.Module):
    """A tied weight, a frozen layer, buffers, and sizes that no number of ranks divides."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 5)
        self.norm = torch.nn.LayerNorm(5)
        self.register_buffer("scale", torch.tensor([0.3, 1.7]))
        self.register_buffer("count", torch.tensor(11))
        self.frozen = torch.nn.Linear(5, 5)
        self.middle = torch.nn.Linear(5, 5)
        self.head = torch.nn.Linear(5, 7, bias=False)
        self.head.weight = self.embedding.weight
        for parameter in self.frozen.parameters():
            parameter.requires_grad = False

    def forward(self, ids):
        x = self.embedding(ids)
        x = torch.relu(self.frozen(self.norm(x)))
        return (self.head(self.middle(x)).float() * self.scale.sum()).square().mean()


def ids(rank):
    return torch.arange(4) * (rank + 2) % 7


def keep(name, weights):
    fp32 = {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}
    save_file({k: v.clone() for k, v in fp32.items()}, f"{name}.safetensors")


def zero(stage, bf16):
    import deepspeed
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    name = f"zero{stage}"
    config = {
        "train_micro_batch_size_per_gpu": 4,
        "optimizer": {"type": "AdamW", "params": {"lr": 0.01, "torch_adam": True}},
        "zero_optimization": {"stage": stage},
        "bf16": {"enabled": bf16},
    }
    deepspeed.init_distributed("gloo")
    torch.manual_seed(1)
    model = Model()
    decayed = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.dim() == 1]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    engine, *_ = deepspeed.initialize(model=model, model_parameters=groups, config=config)
    for _ in range(2):
        engine.backward(engine(ids(dist.get_rank())))
        engine.step()
    engine.save_checkpoint(name, tag="step2")
    dist.barrier()
    if dist.get_rank() == 0:
        os.remove(f"{name}/zero_to_torch.py") if os.path.exists(f"{name}/zero_to_torch.py") else None
        os.remove(f"{name}/zero_to_fp32.py")
        weights = dict(get_fp32_state_dict_from_zero_checkpoint(name))
        if stage == 1:
            weights.update({k: v.detach() for k, v in model.named_parameters() if k.startswith("frozen")})
        keep(name, weights)


def fsdp():
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions,
        get_model_state_dict,
        get_state_dict,
    )
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.device_mesh import init_device_mesh

    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    torch.manual_seed(1)
    model = Model()
    fully_shard(model.middle, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        model(ids(dist.get_rank())).backward()
        optimizer.step()
    weights, states = get_state_dict(model, optimizer)
    dcp.save({"model": weights, "optim": states}, checkpoint_id="fsdp")
    full = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if dist.get_rank() == 0:
        keep("fsdp", full)


def trained(model):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        model(ids(dist.get_rank())).backward()
        optimizer.step()
    return optimizer


def fsdp1_full():
    """As MMEngine's FSDPStrategy saves: one file by rank 0, weights beside the optimizer's states."""
    from torch.distributed.fsdp import FullOptimStateDictConfig, FullStateDictConfig, StateDictType
    from torch.distributed.fsdp import FullyShardedDataParallel as FSDP

    dist.init_process_group("gloo")
    torch.manual_seed(1)
    model = Model()
    model.middle = FSDP(model.middle, use_orig_params=True, device_id=torch.device("cpu"))
    model = FSDP(model, use_orig_params=True, device_id=torch.device("cpu"))
    optimizer = trained(model)
    options = {"offload_to_cpu": True, "rank0_only": True}
    with FSDP.state_dict_type(
        model, StateDictType.FULL_STATE_DICT, FullStateDictConfig(**options), FullOptimStateDictConfig(**options)
    ):
        weights, states = model.state_dict(), FSDP.optim_state_dict(model, optimizer)
    if dist.get_rank() == 0:
        meta = {"epoch": 1, "iter": 2, "seed": 1}
        torch.save({"state_dict": weights, "optimizer": states, "meta": meta}, "fsdp1_full.pth")
        keep("fsdp1_full", torch.load("fsdp1_full.pth", weights_only=True)["state_dict"])


def fsdp2_full():
    """The weights alone, gathered by the functions that torch has for it."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    torch.manual_seed(1)
    model = Model()
    fully_shard(model.middle, mesh=mesh)
    fully_shard(model, mesh=mesh)
    trained(model)
    full = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if dist.get_rank() == 0:
        torch.save(full, "fsdp2_full.pth")
        keep("fsdp2_full", torch.load("fsdp2_full.pth", weights_only=True))


if __name__ == "__main__":
    what = sys.argv[1]
    shutil.rmtree(what, ignore_errors=True) if int(os.environ["RANK"]) == 0 else None
    if what.startswith("fsdp"):
        {"fsdp": fsdp, "fsdp1_full": fsdp1_full, "fsdp2_full": fsdp2_full}[what]()
    else:
        zero(int(what[-1]), bf16=what != "zero1")
    dist.destroy_process_group()
