#!/usr/bin/env python3
"""Writes the losses of 20 AdamW steps of a GPT-2 under PyTorch alone, PyTorch FSDP2 and DeepSpeed ZeRO-3.

    pip install --no-deps --target PEERS -r benchmarks/peers/requirements.txt
    PYTHONPATH=PEERS python tests/golden/gpt2/generate.py

losses.txt        one process, the joined batch of 4 rows
losses_fsdp2.txt  2 ranks over Gloo, fully_shard on each block and on the root
losses_zero3.txt  2 ranks over Gloo, stage 3, fp32, gradient_clipping 0
One loss a line, in order of steps: the mean over ranks of each rank's mean loss, before that step's update.

The model: 4 layers, 128 wide, 4 heads, 64 positions, 401 tokens, tied head, no dropout, gelu_new (the tanh form),
layer_norm_epsilon 1e-5, fp32, on CPUs with one thread each; Hugging Face's names, Conv1D weights [in, out].
AdamW: lr 1e-3, betas 0.9 and 0.999, eps 1e-8, weight_decay 0.01 on every parameter.

Weights and tokens need no file, any language can repeat them. x, k and products are unsigned, of 32 bits (mod 2^32):
  bits(k):    x = k * 2654435761;  x = x xor (x >> 15);  x = x * 2654435761;  the result is x >> 8, of 24 bits
  number(k) = bits(k) / 2^24 - 0.5 in double, which float32 holds exactly
Parameters are numbered p = 0, 1, ... 51 as they are declared: transformer.wte.weight [401, 128], transformer.wpe.weight
[64, 128]; of each block transformer.h.I: ln_1.weight, ln_1.bias, attn.c_attn.weight [128, 384], attn.c_attn.bias,
attn.c_proj.weight [128, 128], attn.c_proj.bias, ln_2.weight, ln_2.bias, mlp.c_fc.weight [128, 512], mlp.c_fc.bias,
mlp.c_proj.weight [512, 128], mlp.c_proj.bias; transformer.ln_f.weight, transformer.ln_f.bias.
  Element k, counted row by row, of parameter p is n = number(p * 2^20 + k) / 8, in LayerNorm's weights 1 + n, in
  double, then rounded to float32 (n itself is exact, 1 + n is rounded to nearest).
  Token t of row r is ((b * b >> 24) * 401) >> 24 in 64 bits with b = bits(2^28 + 64 * r + t): low tokens are frequent.
  A row has t = 0 ... 32: input_ids are tokens 0 ... 31, labels tokens 1 ... 32.
Row i (0, 1) of rank R (0, 1) in step s (0 ... 19) is r = (4 s + 2 R + i) mod 16: each row comes back every 4 steps.
To check a port: element 0 of parameters 17, 34 and 51 is 0.046021089, 0.0295421779 and 0.0130632669; row 3 begins with
tokens 1 187 158 48 7 215 375 210; there are 852,864 parameters.
"""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

LAYERS, WIDTH, HEADS, POSITIONS, VOCABULARY = 4, 128, 4, 64, 401
STEPS, RANKS, BATCH, SEQUENCE, ROWS = 20, 2, 2, 32, 16
ADAMW = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
FOLDER = Path(__file__).parent


def bits(k: torch.Tensor) -> torch.Tensor:
    x = (k * 2654435761) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 2654435761) & 0xFFFFFFFF  # int64 may wrap: its low 32 bits are right all the same
    return x >> 8


def number(k: torch.Tensor) -> torch.Tensor:
    return bits(k).double() / 2**24 - 0.5


class Conv1D(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(inputs, outputs)), nn.Parameter(torch.empty(outputs))

    def forward(self, x):
        return x @ self.weight + self.bias


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn, self.c_proj = Conv1D(WIDTH, 3 * WIDTH), Conv1D(WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in self.c_attn(x).split(WIDTH, 2))
        return self.c_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_fc, self.c_proj = Conv1D(WIDTH, 4 * WIDTH), Conv1D(4 * WIDTH, WIDTH)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(WIDTH), Attention()
        self.ln_2, self.mlp = nn.LayerNorm(WIDTH), MLP()

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(POSITIONS, WIDTH)
        self.h, self.ln_f = nn.ModuleList(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.size(1)))
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


class GPT2(nn.Module):
    """Mean cross entropy of labels, which are already shifted."""

    def __init__(self):
        super().__init__()
        self.transformer, self.lm_head = Transformer(), nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, ids, labels):
        return F.cross_entropy(self.lm_head(self.transformer(ids)).flatten(0, 1), labels.flatten())


def filled(model):
    for p, (name, parameter) in enumerate(model.named_parameters()):  # a tied one comes once
        n = number(p * 2**20 + torch.arange(parameter.numel())) / 8
        values = n + 1 if name.split(".")[-2].startswith("ln_") and name.endswith("weight") else n
        parameter.data.copy_(values.view_as(parameter))
    return model


def batch(step, rank=None):
    """The rows of one rank, or of all."""
    first = [rank] if rank is not None else range(RANKS)
    rows = torch.tensor([(step * RANKS * BATCH + r * BATCH + i) % ROWS for r in first for i in range(BATCH)])
    b = bits(2**28 + 64 * rows[:, None] + torch.arange(SEQUENCE + 1))
    tokens = ((b * b >> 24) * VOCABULARY) >> 24
    return tokens[:, :-1], tokens[:, 1:]


def torch_step(model):
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMW)

    def step(ids, labels):
        optimizer.zero_grad()
        loss = model(ids, labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def fsdp2_step(model):
    from torch.distributed.fsdp import fully_shard

    mesh = dist.device_mesh.init_device_mesh("cpu", (RANKS,))
    for block in model.transformer.h:
        fully_shard(block, mesh=mesh)
    return torch_step(fully_shard(model, mesh=mesh))


def zero3_step(model):
    import deepspeed

    deepspeed.init_distributed("gloo")
    config = {
        "train_micro_batch_size_per_gpu": BATCH,
        "gradient_clipping": 0.0,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,
        "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
    }
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMW)
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)

    def step(ids, labels):
        loss = engine(ids, labels)
        engine.backward(loss)
        engine.step()
        return loss

    return step


def train(step, rank=None):
    for i in range(STEPS):
        loss = step(*batch(i, rank)).detach().double()
        if rank is not None:
            dist.all_reduce(loss)
            loss /= RANKS
        yield loss.item()


def write(name, losses, versions):
    head = f"# by tests/golden/gpt2/generate.py with {versions}"
    (FOLDER / name).write_text("\n".join([head, *(f"{loss:.9f}" for loss in losses)]) + "\n")


def run_rank(rank, engine, port):
    torch.set_num_threads(1)
    facts = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": RANKS, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {key: str(value) for key, value in facts.items()} | {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    dist.init_process_group("gloo")
    make, versions = fsdp2_step, f"torch {torch.__version__}"
    if engine == "zero3":
        import deepspeed

        make, versions = zero3_step, f"{versions}, deepspeed {deepspeed.__version__}"
    losses = list(train(make(filled(GPT2())), rank))
    if rank == 0:
        write(f"losses_{engine}.txt", losses, versions)
    dist.barrier()
    dist.destroy_process_group()


def main():
    torch.set_num_threads(1)
    write("losses.txt", train(torch_step(filled(GPT2()))), f"torch {torch.__version__}")
    for engine in sys.argv[1:] or ["fsdp2", "zero3"]:
        torch.multiprocessing.spawn(run_rank, (engine, 29611), nprocs=RANKS)


if __name__ == "__main__":
    main()
