"""Writes golden.safetensors from the format's description alone: https://github.com/huggingface/safetensors#format

Run in this folder: python3 make_golden.py
"""
import json
import struct

tensors = [
    ("weight", "F32", [2, 3], struct.pack("<6f", 0.5, -1.0, 2.0, 3.0, 4.0, 5.0)),
    ("steps", "I64", [], struct.pack("<q", -7)),
    ("half", "BF16", [2], b"\x80\x3f\x00\x40"),  # 1.0, 2.0
    ('na"me\\with\u00e9', "U8", [3], b"\x01\x02\x03"),
    ("empty", "F64", [0, 4], b""),
]
header = {"__metadata__": {"format": "pt"}}
data = b""
for name, dtype, shape, raw in tensors:
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
text = json.dumps(header).encode()  # non-ASCII as \u escapes
text += b" " * (-len(text) % 8)
with open("golden.safetensors", "wb") as out:
    out.write(struct.pack("<Q", len(text)) + text + data)
