"""CIFAR's usual augmentation through torchvision on one core, collated into batches: what data_bench is compared with.

Prints one line RESULT {json}: images per second of a pass over images in memory, for torchvision's transforms on PIL
images (what its CIFAR10 data set gives) and for its newer ones, on tensors.
"""

import json
import statistics
import time

import numpy
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import v2

BATCH = 128
BATCHES = 20
ROUNDS = 3
MEAN, STD = (0.491, 0.482, 0.447), (0.202, 0.199, 0.201)


class Images(Dataset):
    def __init__(self, transform, convert):
        draw = numpy.random.default_rng(0)
        self.images = draw.integers(0, 256, (BATCH * BATCHES, 32, 32, 3), dtype=numpy.uint8)
        self.labels = draw.integers(0, 10, BATCH * BATCHES)
        self.transform, self.convert = transform, convert

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.convert(self.images[index])), int(self.labels[index])


def images_per_second(dataset):
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True)
    rates = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for images, _labels in loader:
            assert images.shape == (BATCH, 3, 32, 32)
        rates.append(len(dataset) / (time.perf_counter() - begin))
    return statistics.median(rates)


def main():
    torch.set_num_threads(1)
    on_pil = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    on_tensors = v2.Compose(
        [
            v2.RandomCrop(32, padding=4),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    result = {
        "pil": images_per_second(Images(on_pil, Image.fromarray)),
        "tensors": images_per_second(Images(on_tensors, lambda x: torch.from_numpy(x).permute(2, 0, 1))),
    }
    print("RESULT", json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
