"""Saving and loading GPT-2 small (its head untied, 163 million parameters) with AdamW's states, as PyTorch does it.

    python checkpoint_peer.py FOLDER

Prints one line RESULT {json}, seconds: of two saves after each other by torch.save and by torch's distributed
checkpoint (one process), of loads into tensors that are there, from the disk and from the page cache, and of copies
of the state: two clones, and one into a clone. A save counts until its bytes are on the disk (fsync), as ours does;
the file of the first is removed before the second, as ours is.
"""

import json
import os
import shutil
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


def each(path, action):
    for file in [path, *path.rglob("*")]:
        handle = os.open(file, os.O_RDONLY)
        action(handle)
        os.close(handle)


def sync(path):
    each(path, os.fsync)
    each(path.parent, os.fsync)


def evict(path):
    """From the page cache."""
    each(path, lambda handle: os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED))


def state_of():
    model = make_gpt2().model
    state = {"model": model.state_dict(), "optimizer": {}}
    for name, value in model.named_parameters():
        state["optimizer"][name] = {"exp_avg": torch.rand_like(value), "exp_avg_sq": torch.rand_like(value)}
    return state


def tensors(state):
    for value in state.values():
        yield from tensors(value) if isinstance(value, dict) else [value]


def copies(state):
    """Seconds of a clone, of another, and of a copy into that one."""
    clones = []
    found = [timed(lambda: clones.extend(t.clone() for t in tensors(state)))]
    clones.clear()
    found.append(timed(lambda: clones.extend(t.clone() for t in tensors(state))))
    found.append(timed(lambda: [a.copy_(b) for a, b in zip(clones, tensors(state), strict=True)]))
    return found


def measured(path, save, load):
    """Seconds of each."""

    def saved():
        save()
        sync(path)

    saves = []
    for _ in range(2):
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        saves.append(timed(saved))
    evict(path)
    return {"saves": saves, "load_disk": timed(load), "load_cache": timed(load)}


def plain(folder, state):
    path = folder / "state.pth"

    def load():
        stored = torch.load(path, weights_only=True)
        for here, there in zip(tensors(state), tensors(stored), strict=True):
            here.data.copy_(there)

    found = measured(path, lambda: torch.save(state, path), load)
    path.unlink()
    return found


def distributed(folder, state):
    path = folder / "dcp"
    found = measured(
        path,
        lambda: dcp.save(state, checkpoint_id=path, no_dist=True),
        lambda: dcp.load(state, checkpoint_id=path, no_dist=True),
    )
    shutil.rmtree(path)
    return found


def main():
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    with torch.no_grad():
        state = state_of()
        found = {"copies": copies(state), "bytes": sum(t.nbytes for t in tensors(state))}
        found["engines"] = [plain(folder, state), distributed(folder, state)]
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main()
