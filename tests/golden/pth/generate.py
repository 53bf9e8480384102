"""Writes the .pth files of this folder with torch.save.

Run in this folder: ../../../.venv/bin/python generate.py
"""
import io
import zipfile
from collections import OrderedDict, deque

import numpy as np
import torch


class HistoryBuffer:
    """What MMEngine's message hub keeps: an object of a class of its own, with arrays inside."""

    def __init__(self):
        self._log_history = np.arange(5.0)
        self._statistics_methods = OrderedDict(mean=None)


class MessageHub:
    def __init__(self):
        self.log_scalars = OrderedDict({"train/loss": HistoryBuffer()})
        self.runtime_info = OrderedDict(iter=3, cfg="model = dict()\n", big=1 << 70)
        self.recent = deque([1, 2])
        self.seen = {1, 2}


def state_dict():
    """Tensors of every type; views that share, skip, turn and repeat elements of a storage."""
    base = torch.arange(12, dtype=torch.float32).view(3, 4)
    out = OrderedDict()
    out["f32"] = torch.tensor([[0.5, -1.0, 2.0], [3.0, 4.0, 5.0]])
    out["f64"] = torch.tensor([0.1, -0.2], dtype=torch.float64)
    out["f16"] = torch.tensor([1.0, -2.0], dtype=torch.float16)
    out["bf16"] = torch.tensor([1.0, -2.0, 3.0], dtype=torch.bfloat16)
    out["i64"] = torch.tensor(-7)
    out["i32"] = torch.tensor([1 << 20, -1], dtype=torch.int32)
    out["i8"] = torch.tensor([-3, 4], dtype=torch.int8)
    out["u8"] = torch.tensor([250, 1], dtype=torch.uint8)
    out["bool"] = torch.tensor([True, False, True])
    out["empty"] = torch.empty(0, 4)
    out["base"] = base
    out["row"] = base[1]
    out["turned"] = base.t()
    out["every_second"] = base[:, ::2]
    out["repeated"] = base[0, :2].expand(3, 2)
    out["channels_last"] = torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last)
    out["parameter"] = torch.nn.Parameter(torch.tensor([8.0, 9.0]))
    named = torch.nn.Parameter(torch.tensor([6.0]))
    named.extra = "attributes"
    out["with_attributes"] = named
    out["_extra_state"] = {"no": "tensor"}
    out._metadata = OrderedDict({"": {"version": 1}})
    return out


def repack(name, change, method=zipfile.ZIP_STORED):
    """plain.pth with other files, or compressed."""
    with zipfile.ZipFile("plain.pth") as source, zipfile.ZipFile(name, "w", method) as out:
        for info in source.infolist():
            entry = zipfile.ZipInfo(info.filename)
            entry.compress_type = method
            out.writestr(entry, change(info.filename, source.read(info)))


torch.manual_seed(0)
torch.save(state_dict(), "plain.pth")
torch.save(state_dict(), "protocol4.pth", pickle_protocol=4)
torch.save(state_dict(), "protocol5.pth", pickle_protocol=5)
weight = torch.tensor([1.0, 2.0])
checkpoint = {
    "meta": {"epoch": 1, "iter": 3, "time": "20260101_000000", "seed": 7},
    "state_dict": OrderedDict({"module.weight": weight, "module.steps": torch.tensor(3)}),
    "message_hub": MessageHub(),
    "optimizer": {"state": {0: {"exp_avg": weight}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
    "param_schedulers": [{"_global_step": 3}],
}
torch.save(checkpoint, "mmengine.pth")
torch.save({"module": OrderedDict(weight=weight), "global_steps": 5, "loss": torch.tensor(0.5)}, "deepspeed.pth")
torch.save(OrderedDict(weight=weight), "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(OrderedDict(weight=weight, half=torch.tensor([1], dtype=torch.int16)), "int16.pth")
torch.save(OrderedDict(weight=torch.tensor([1 + 2j]).conj().imag), "negative_view.pth")
torch.save(torch.nn.Sequential(torch.nn.Linear(1, 1)), "whole_model.pth")
torch.save(weight, "tensor.pth")
torch.save({"epoch": 1, "optimizer": {"state": {0: weight}}}, "no_state_dict.pth")
torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1)), "torchscript.pth")
repack("big_endian.pth", lambda name, data: b"big" if name.endswith("byteorder") else data)
repack("compressed.pth", lambda _, data: data, zipfile.ZIP_DEFLATED)
repack("unaligned.pth", lambda _, data: data)
