# One step of GPT-2 in plain PyTorch, for gpt2_test.cpp. Attention is written out: scores, mask, softmax.
#
#   python gpt2_reference.py DIR HEADS DTYPE ACTIVATION SCALED
#
# Reads DIR/manifest.txt, one tensor a line ("param transformer.wte.weight 50 32", "input input_ids …",
# "input labels …"), and DIR/values.bin, their values as float64 in that order. Without a parameter
# lm_head.weight the head is wte's. Writes DIR/result.bin, float64: the loss, the gradient of every parameter.
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F


def read(folder, dtype):
    values = torch.from_numpy(np.fromfile(folder / "values.bin"))
    kinds = {"param": {}, "input": {}}
    at = 0
    for line in (folder / "manifest.txt").read_text().splitlines():
        kind, name, *shape = line.split()
        shape = [int(n) for n in shape]
        count = int(np.prod(shape))
        kinds[kind][name] = values[at : at + count].reshape(shape)
        at += count
    params = {name: value.to(dtype).requires_grad_() for name, value in kinds["param"].items()}
    return params, {name: value.long() for name, value in kinds["input"].items()}


def conv1d(params, name, x):
    return x @ params[name + ".weight"] + params[name + ".bias"]


def norm(params, name, x):
    return F.layer_norm(x, x.shape[-1:], params[name + ".weight"], params[name + ".bias"])


ACTIVATIONS = {"gelu_new": lambda x: F.gelu(x, approximate="tanh"), "gelu": F.gelu, "relu": F.relu}


def attention(params, name, x, heads, scaled):
    batch, tokens, width = x.shape
    parts = conv1d(params, name + ".c_attn", x).split(width, 2)
    q, k, v = (t.view(batch, tokens, heads, -1).transpose(1, 2) for t in parts)
    scores = q @ k.transpose(2, 3) / ((width // heads) ** 0.5 if scaled else 1.0)
    later = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    y = scores.masked_fill(later, float("-inf")).softmax(-1) @ v
    return conv1d(params, name + ".c_proj", y.transpose(1, 2).reshape(batch, tokens, width))


def gpt2(params, ids, heads, activation, scaled):
    x = params["transformer.wte.weight"][ids] + params["transformer.wpe.weight"][: ids.shape[1]]
    layer = 0
    while f"transformer.h.{layer}.ln_1.weight" in params:
        name = f"transformer.h.{layer}"
        x = x + attention(params, name + ".attn", norm(params, name + ".ln_1", x), heads, scaled)
        inner = activation(conv1d(params, name + ".mlp.c_fc", norm(params, name + ".ln_2", x)))
        x = x + conv1d(params, name + ".mlp.c_proj", inner)
        layer += 1
    head = params.get("lm_head.weight", params["transformer.wte.weight"])
    return norm(params, "transformer.ln_f", x) @ head.T


def main():
    folder = pathlib.Path(sys.argv[1])
    heads, dtype = int(sys.argv[2]), getattr(torch, sys.argv[3])
    params, inputs = read(folder, dtype)
    logits = gpt2(params, inputs["input_ids"], heads, ACTIVATIONS[sys.argv[4]], sys.argv[5] == "1")
    loss = F.cross_entropy(logits.flatten(0, 1), inputs["labels"].flatten())
    loss.backward()
    result = [loss.detach()] + [p.grad for p in params.values()]
    np.concatenate([t.double().numpy().ravel() for t in result]).tofile(folder / "result.bin")


main()
