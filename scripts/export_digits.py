"""Exports scikit-learn's digits as a data set in CIFAR-10's binary layout: the quickstart trains on it.

1,797 scans of hand-written digits (UCI ML repository, Optical Recognition of Handwritten Digits), 8 x 8 pixels of
0..16 each. A record is one label byte and three planes (red, green, blue) of 32 x 32 bytes, row by row; here a pixel
becomes 4 x 4 equal ones and the planes are alike. The first 1,500 are for training, the other 297 for testing.

    export_digits.py DIRECTORY
"""

import hashlib
import os
import sys
from pathlib import Path

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TRAINING = 1500

# Of the three files as they must be: results on this data set are compared between machines.
SHA256 = {
    "data_batch_1.bin": "0f01530b1c2778d7ef6324d621c3a88a41968ccf045943abeb821b33753c4709",
    "test_batch.bin": "4354f23e00829cf6ef6c0c21639489c41382cc57a064a2709e27b00fdf98e09a",
    "batches.meta.txt": "476e03af7ff499e63fe93fffa0567a69128761f538ec7dd1f3e2c197a0c90981",
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_complete(folder: Path) -> bool:
    paths = {name: folder / name for name in SHA256}
    return all(path.is_file() and sha256(path.read_bytes()) == SHA256[name] for name, path in paths.items())


def make_files() -> dict[str, bytes]:
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    gray = (digits.images.astype(np.int64) * 255 + 8) // 16  # 0..16 to 0..255, rounded
    planes = gray.repeat(4, axis=1).repeat(4, axis=2).reshape(len(gray), 32 * 32)
    records = np.concatenate([digits.target[:, None], planes, planes, planes], axis=1).astype(np.uint8)
    return {
        "data_batch_1.bin": records[:TRAINING].tobytes(),
        "test_batch.bin": records[TRAINING:].tobytes(),
        "batches.meta.txt": ("\n".join(NAMES) + "\n").encode(),
    }


def write_aside_and_rename(path: Path, data: bytes) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(aside, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def main(folder: Path) -> None:
    if is_complete(folder):
        return
    print(f"strata: writing the digits data set to {folder}", flush=True)
    files = make_files()
    for name, data in files.items():
        if sha256(data) != SHA256[name]:
            sys.exit(f"{name} would have SHA-256 {sha256(data)}, not {SHA256[name]}: this scikit-learn has other digits")
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_aside_and_rename(folder / name, data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
