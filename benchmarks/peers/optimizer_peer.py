"""Time of an update, an element: torch's fused AdamW and DeepSpeed's CPUAdam over one tensor of 30 million.

    OMP_NUM_THREADS=1 python optimizer_peer.py

fp32: value, gradient and states. bf16: values and gradients in bf16, states in fp32, which only CPUAdam has.
mixed_bf16: fp32 masters and states, gradients that came in bf16, and values written back in bf16: what a mixed-precision
step is made of. Prints one line RESULT {json}: medians in ns.
"""

import json
import os
import statistics
import time

import torch

ELEMENTS = 30_000_000
UPDATES = 9  # the first makes the states and does not count
ADAM = {"lr": 1e-3, "weight_decay": 0.01}


def torch_adam(params):
    return torch.optim.AdamW(params, fused=True, **ADAM)


def deepspeed_adam(params):
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    return DeepSpeedCPUAdam(params, adamw_mode=True, **ADAM)


def ns_per_element(update):
    seconds = []
    for _ in range(UPDATES):
        begin = time.perf_counter()
        update()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:]) / ELEMENTS * 1e9


def numbers(dtype):
    return ((torch.arange(ELEMENTS) * 7919 % 1009 - 504) * 1e-3).to(dtype)


def plain(make, dtype):
    value = torch.nn.Parameter(numbers(dtype))
    value.grad = numbers(dtype)
    return ns_per_element(make([value]).step)


@torch.no_grad()
def mixed(make):
    master = torch.nn.Parameter(numbers(torch.float32))
    master.grad = torch.zeros(ELEMENTS)
    grad, value = numbers(torch.bfloat16), numbers(torch.bfloat16)
    optimizer = make([master])

    def update():
        master.grad.copy_(grad)
        optimizer.step()
        value.copy_(master)

    return ns_per_element(update)


def main():
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    found = {
        "torch fp32": plain(torch_adam, torch.float32),
        "torch mixed_bf16": mixed(torch_adam),
        "deepspeed fp32": plain(deepspeed_adam, torch.float32),
        "deepspeed bf16": plain(deepspeed_adam, torch.bfloat16),
        "deepspeed mixed_bf16": mixed(deepspeed_adam),
    }
    print("RESULT", json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
