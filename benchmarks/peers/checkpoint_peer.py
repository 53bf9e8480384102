"""Saving and loading GPT-2 small (its head untied, 163 million parameters) with AdamW's states, as PyTorch does it.

    python checkpoint_peer.py FOLDER

Prints one line RESULT {json}: seconds of torch.save and torch.load, of torch's distributed checkpoint (one process),
of its asynchronous save until it returns, of one copy of the state, and of writing as many bytes to the disk. A
save counts until its bytes are on the disk (fsync), as ours does. Files are read from the page cache, as ours are.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from models import make_gpt2


def timed(action):
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def sync(folder):
    for path in [folder, *folder.rglob("*")]:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def state_of():
    model = make_gpt2().model
    state = {"model": model.state_dict(), "optimizer": {}}
    for name, value in model.named_parameters():
        state["optimizer"][name] = {"exp_avg": torch.rand_like(value), "exp_avg_sq": torch.rand_like(value)}
    return state


def tensors(state):
    for value in state.values():
        yield from tensors(value) if isinstance(value, dict) else [value]


def plain(folder, state, found):
    file = folder / "state.pth"

    def save():
        torch.save(state, file)
        sync(folder)

    def load():
        stored = torch.load(file, weights_only=True)
        for here, there in zip(tensors(state), tensors(stored), strict=True):
            here.data.copy_(there)

    found["torch_save_s"], found["torch_load_s"] = timed(save), timed(load)
    file.unlink()


def distributed(folder, state, found):
    saved = folder / "dcp"

    def save():
        dcp.save(state, checkpoint_id=saved, no_dist=True)
        sync(saved)

    found["dcp_save_s"] = timed(save)
    found["dcp_load_s"] = timed(lambda: dcp.load(state, checkpoint_id=saved, no_dist=True))


def written(folder, size):
    block = os.urandom(8 << 20)

    def write():
        with open(folder / "raw", "wb", buffering=0) as out:
            for _ in range(size // len(block)):
                out.write(block)
            os.fsync(out.fileno())

    seconds = timed(write)
    (folder / "raw").unlink()
    return seconds


def main():
    folder, found = Path(sys.argv[1]), {}
    torch.set_num_threads(1)
    with torch.no_grad():
        state = state_of()
        copies = []
        found["copy_s"] = timed(lambda: copies.extend(t.clone() for t in tensors(state)))
        copies.clear()
        found["bytes"] = sum(t.nbytes for t in tensors(state))
        found["disk_s"] = written(folder, found["bytes"])
        plain(folder, state, found)
        distributed(folder, state, found)
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main()
