#!/usr/bin/env python3
"""Brings a checkpoint of DeepSpeed (ZeRO 1, 2 or 3) or of PyTorch's distributed checkpoints (FSDP) to one safetensors file
of fp32 weights, which Strata's load_from and `strata checkpoint convert` read.

    python3 import_checkpoint.py FOLDER OUT.safetensors [--tag global_step10] [--key model] [--force]

Needs torch. Nothing in the checkpoint's pickles is executed: classes other than tensors' become empty shells. Files are
mapped and weights written one after the other, so that the peak is the largest tensor.
"""
import argparse
import io
import json
import math
import os
import pickle
import re
import struct
import sys
import types
from collections import OrderedDict
from pathlib import Path

import torch


class Refused(Exception):
    pass


# --- pickles ----------------------------------------------------------------------------------------------------------


class Shell:
    """What stands for an object of any class that is not known to be harmless."""

    def __init__(self, *args, **kwargs):
        self.args = args

    def __setstate__(self, state):
        self.state = state

    def __setitem__(self, key, value):
        pass

    def append(self, value):
        pass

    def extend(self, values):
        pass


KNOWN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): lambda *args: {},
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "slice"): slice,
    ("builtins", "complex"): complex,
    ("torch", "Size"): torch.Size,
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): lambda rebuild, kind, args, state: rebuild(*args),
    ("torch.serialization", "_get_layout"): torch.serialization._get_layout,
}


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module == "torch":
            value = getattr(torch, name, None)
            if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)):
                return value
            if name.endswith("Storage"):
                return value
        return record_class(module, name) or Shell


def record_class(module, name):
    """The plain records of a distributed checkpoint's metadata."""
    if module == "torch.distributed.checkpoint.metadata":
        import torch.distributed.checkpoint.metadata as records
    elif (module, name) == ("torch.distributed.checkpoint.filesystem", "_StorageInfo"):
        import torch.distributed.checkpoint.filesystem as records
    else:
        return None
    found = getattr(records, name, None)
    return found if isinstance(found, type) and found.__module__ == module else None


def load(file):
    """A file of torch.save; its tensors are mapped."""
    safe = types.SimpleNamespace(
        __name__="import_checkpoint", Unpickler=Unpickler, load=lambda f, **more: Unpickler(f, **more).load()
    )
    return torch.load(file, map_location="cpu", mmap=True, weights_only=False, pickle_module=safe)


# --- weights on their way ---------------------------------------------------------------------------------------------


class Weight:
    """A tensor to be written: its shape and type, and a function that gives its elements as flat tensors, in order."""

    def __init__(self, shape, dtype, pieces):
        self.shape = list(shape)
        self.dtype = torch.float32 if dtype.is_floating_point else dtype
        self.pieces = pieces

    @property
    def numel(self):
        return math.prod(self.shape)


def whole(tensor):
    return Weight(tensor.shape, tensor.dtype, lambda: [tensor.contiguous().reshape(-1)])


def stretch(flats, begin, count):
    """Elements [begin, begin + count) of flat tensors joined."""
    for flat in flats:
        if begin < flat.numel() and count > 0:
            piece = flat[begin : begin + count]
            yield piece
            count -= piece.numel()
            begin = 0
        else:
            begin -= flat.numel()
    if count > 0:
        raise Refused(f"{count} elements are missing in the optimizer's partitions")


# --- DeepSpeed --------------------------------------------------------------------------------------------------------


def tag_folder(folder, tag):
    if tag is None and (folder / "latest").is_file():
        tag = (folder / "latest").read_text().strip()
    found = folder / tag if tag else folder
    if not found.is_dir():
        raise Refused(f"{found}: there is no such folder; name one by --tag")
    return found


def rank_files(folder, kind):
    """The files of the data-parallel ranks, in order."""
    pattern = re.compile(rf"(?:bf16_)?zero_pp_rank_(\d+)_mp_rank_(\d+)_{kind}\.pt")
    found = {}
    for file in folder.iterdir():
        if match := pattern.fullmatch(file.name):
            if int(match[2]) != 0:
                raise Refused(f"{file}: written under tensor parallelism, which is not read here")
            found[int(match[1])] = file
        elif re.search(r"expert|expp_rank|layer_\d+-", file.name):
            raise Refused(f"{file}: of a mixture of experts or a pipeline, which are not read here")
    missing = sorted(set(range(max(found, default=-1) + 1)) - set(found))
    if missing:
        raise Refused(f"{folder} lacks the {kind} of rank {missing[0]}")
    return [found[rank] for rank in sorted(found)]


def deepspeed_weights(folder):
    optim_files = rank_files(folder, "optim_states")
    model_files = rank_files(folder, "model_states") or [folder / "mp_rank_00_model_states.pt"]
    if not model_files[0].is_file():
        raise Refused(f"{folder} lacks {model_files[0].name}")
    models = [load(file) for file in model_files]
    if not optim_files:
        return {name: whole(value) for name, value in models[0]["module"].items() if torch.is_tensor(value)}
    states = [load(file)["optimizer_state_dict"] for file in optim_files]
    check_count(states[0], optim_files)
    weights = {}
    for name in models[0]["buffer_names"]:
        if name in models[0]["module"]:
            weights[name] = whole(models[0]["module"][name])
    add_frozen(weights, models)
    if "fp32_flat_groups" in states[0]:
        add_stage_3(weights, models[0]["param_shapes"], states)
    else:
        add_stage_2(weights, models[0]["param_shapes"], states)
    if "fp32_flat_groups" not in states[0]:  # stage 1 has frozen parameters in the module alone
        for name, value in models[0]["module"].items():
            if torch.is_tensor(value) and name not in weights:
                weights[name] = whole(value)
    for alias, owner in dict(models[0].get("shared_params") or {}).items():
        if owner in weights:
            weights[alias] = weights[owner]
    return weights


def check_count(state, files):
    count = state.get("partition_count", len(files))
    count = max(count) if isinstance(count, (list, tuple)) else count
    if count != len(files):
        raise Refused(f"{files[0].parent} has files of {len(files)} ranks, and {count} wrote it")


def add_stage_2(weights, groups, states):
    """Each group lies flat over all ranks, its parameters one after the other."""
    for group, shapes in enumerate(groups):
        flats = [state["single_partition_of_fp32_groups"][group].reshape(-1) for state in states]
        begin = 0
        for name, shape in shapes.items():
            count = math.prod(shape)
            weights[name] = Weight(shape, torch.float32, lambda f=flats, b=begin, c=count: stretch(f, b, c))
            begin += count
        check_end(begin, sum(flat.numel() for flat in flats), 2 * len(states), f"group {group}")


def add_stage_3(weights, groups, states):
    """Each rank has a piece of each parameter, all of one size."""
    flats = [[flat.reshape(-1) for flat in state["fp32_flat_groups"]] for state in states]
    begin = 0
    for name, shape in ((name, shape) for shapes in groups for name, shape in shapes.items()):
        count = math.prod(shape)
        piece = -(-count // len(states))
        weights[name] = Weight(
            shape, torch.float32, lambda b=begin, p=piece, c=count: cut_pieces(flats, b, p, c)
        )
        begin += piece
    check_end(begin, sum(flat.numel() for flat in flats[0]), 1, "the pieces of rank 0")


def check_end(used, there, alignment, what):
    if not used <= there <= -(-used // alignment) * alignment + alignment:
        raise Refused(f"{what}: parameters have {used} elements, the file {there}")


def cut_pieces(flats, begin, piece, count):
    for rank in flats:
        mine = max(0, min(piece, count))
        yield from stretch(rank, begin, mine)
        count -= mine


def add_frozen(weights, models):
    shapes = models[0].get("frozen_param_shapes") or {}
    for name, shape in shapes.items():
        fragments = [model["frozen_param_fragments"][name].reshape(-1) for model in models]
        count = math.prod(shape)
        weights[name] = Weight(shape, fragments[0].dtype, lambda f=fragments, c=count: stretch(f, 0, c))


# --- PyTorch's distributed checkpoints --------------------------------------------------------------------------------

MODEL_KEYS = ("model", "app.model", "state_dict", "module")
OTHER_KEYS = ("optim", "optimizer", "optim_state", "app.optim", "state", "param_groups")


def under(name, key):
    return name.startswith(key + ".")


def pick_names(names, key):
    if key is None:
        key = next((k for k in MODEL_KEYS if any(under(name, k) for name in names)), None)
    if key is None:
        return {name: name for name in names if not any(under(name, k) for k in OTHER_KEYS)}
    picked = {name[len(key) + 1 :]: name for name in names if under(name, key)}
    if not picked:
        raise Refused(f"nothing lies under the key {key!r}; there is: {', '.join(sorted(names)[:10])} …")
    return picked


def torch_weights(folder, key):
    with open(folder / ".metadata", "rb") as file:
        metadata = Unpickler(file).load()
    tensors = {
        name: record for name, record in metadata.state_dict_metadata.items() if hasattr(record, "chunks")
    }
    places = {}
    for index, info in metadata.storage_data.items():
        if getattr(info, "transform_descriptors", None):
            raise Refused(f"{folder / info.relative_path}: {index.fqn} is compressed, which is not read here")
        places.setdefault(index.fqn, {})[tuple(index.offset or ())] = info
    weights = {}
    for name, stored in sorted(pick_names(tensors, key).items()):
        record = tensors[stored]
        weights[name] = Weight(
            record.size, record.properties.dtype, lambda r=record, p=places[stored]: [joined(folder, r, p)]
        )
    return weights


def joined(folder, record, places):
    out = torch.empty(record.size, dtype=record.properties.dtype)
    for chunk in record.chunks:
        info = places[tuple(chunk.offsets)]
        with open(folder / info.relative_path, "rb") as file:
            file.seek(info.offset)
            value = torch.load(io.BytesIO(file.read(info.length)), map_location="cpu", weights_only=True)
        if list(value.shape) != list(chunk.sizes):
            raise Refused(f"{folder / info.relative_path}: a piece has the shape {list(value.shape)}")
        box = tuple(slice(at, at + size) for at, size in zip(chunk.offsets, chunk.sizes))
        out[box] = value
    return out.reshape(-1)


# --- safetensors ------------------------------------------------------------------------------------------------------

DTYPES = {
    torch.float32: "F32",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def header_of(weights):
    header = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, weight in weights.items():
        if weight.dtype not in DTYPES:
            raise Refused(f"{name} has the type {weight.dtype}, which is not written here")
        end = at + weight.numel * weight.dtype.itemsize
        header[name] = {"dtype": DTYPES[weight.dtype], "shape": weight.shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def write_weight(out, name, weight):
    left = weight.numel
    for piece in weight.pieces():
        left -= piece.numel()
        raw = piece.to(weight.dtype).contiguous().view(torch.uint8) if piece.numel() else piece
        out.write(memoryview(raw.numpy()))
    if left != 0:
        raise Refused(f"{name}: {left} elements are missing")


def write(path, weights):
    """Beside its place, on the disk, then under its name."""
    header = header_of(weights)
    aside = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with open(aside, "wb") as out:
            out.write(struct.pack("<Q", len(header)) + header)
            for name, weight in weights.items():
                write_weight(out, name, weight)
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def weights_in(folder, tag, key):
    if not folder.is_dir():
        raise Refused(f"{folder} is no folder; Strata reads files of torch.save and safetensors itself")
    if (folder / ".metadata").is_file():
        return torch_weights(folder, key)
    return deepspeed_weights(tag_folder(folder, tag))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tag", help="of a DeepSpeed checkpoint; default: what `latest` says")
    parser.add_argument("--key", help="of the model in a distributed checkpoint; default: the usual ones")
    parser.add_argument("--force", action="store_true", help="replace OUT")
    options = parser.parse_args()
    try:
        if options.out.exists() and not options.force:
            raise Refused(f"{options.out} is there already; replace it with --force, or name another")
        weights = weights_in(options.folder, options.tag, options.key)
        if not weights:
            raise Refused(f"{options.folder} has no weights")
        write(options.out, weights)
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {len(weights)} tensors of {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
