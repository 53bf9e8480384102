"""Losses of the parity MLP over 50 AdamW steps with PyTorch. Run: python generate.py > losses.txt

Initial values and inputs follow the same formulas as the C++ test (engine_run.cpp, unit/params.cpp).
"""
import torch
import torch.nn.functional as F

MASK = (1 << 64) - 1


def seed_of(seed: int, name: str) -> int:
    h = 0xCBF29CE484222325
    for c in name.encode():
        h = ((h ^ c) * 0x100000001B3) & MASK
    h = (h + seed * 0x9E3779B97F4A7C15) & MASK
    h = ((h ^ (h >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    h = ((h ^ (h >> 27)) * 0x94D049BB133111EB) & MASK
    return h ^ (h >> 31)


def number(k: int) -> float:
    return ((k * 2654435761 & 0xFFFFFFFF) >> 8) / 16777216.0 - 0.5


def batch(step: int):
    rows = range(step * 6, step * 6 + 6)
    img = torch.tensor([[number(r * 20 + j) for j in range(20)] for r in rows], dtype=torch.float64).float()
    return img, torch.tensor([(r * 7 + r // 3) % 5 for r in rows])


def main():
    sizes = [20, 33, 17, 5]
    layers = [torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
    names = NAMES
    for layer, prefix in zip(layers, names):
        for leaf, p in layer.named_parameters():
            g = torch.Generator().manual_seed(seed_of(3, f"{prefix}.{leaf}") & 0xFFFFFFFF)
            bound = layer.in_features ** -0.5
            with torch.no_grad():
                p.uniform_(-bound, bound, generator=g)
    opt = torch.optim.AdamW([p for l in layers for p in l.parameters()], lr=1e-2)
    print(f"# made by tests/golden/mlp/generate.py with torch {torch.__version__}")
    for step in range(50):
        x, y = batch(step)
        for layer in layers[:-1]:
            x = F.gelu(layer(x))
        loss = F.cross_entropy(layers[-1](x), y)
        print(repr(loss.item()))
        opt.zero_grad()
        loss.backward()
        opt.step()


NAMES = ["fc1", "fc2", "head"]
main()
