"""Lists every struct, member, enumerator and id of the border's headers, as input for layout.cpp.

usage: layout_entries.py <folder of headers> <output>
"""

import pathlib
import re
import sys

ORDER = ["core", "host", "tensor", "memory", "services"]  # the rest follows by name


def members(struct: str, body: str) -> list[str]:
    names = []
    for declaration in filter(None, (part.strip() for part in body.split(";"))):
        function = re.search(r"\(\*(\w+)\)\s*\(", declaration)
        plain = re.fullmatch(r"[\w\s*]*?(\w+)\s*(\[[^\]]+\])?", declaration)
        if not function and not plain:
            raise SystemExit(f"{struct}: no member can be read from: {declaration}")
        names.append((function or plain).group(1))
    return names


def entries(text: str) -> list[str]:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = re.findall(r"typedef struct (\w+)\s*\{([^{}]*)\}\s*(\w+)\s*;", text)
    if len(found) != len(re.findall(r"struct\s+\w*\s*\{", text)):
        raise SystemExit("a struct is not written as `typedef struct name { … } name;`")
    lines = []
    for name, body, alias in found:
        if name != alias:
            raise SystemExit(f"struct {name} is called {alias} as well")
        lines.append(f"STRUCT({name})")
        lines += [f"MEMBER({name}, {member})" for member in members(name, body)]
    for body in re.findall(r"enum\s*\{(.*?)\}", text, flags=re.S):
        lines += [f"CONSTANT({item.split('=')[0].strip()})" for item in body.split(",") if item.strip()]
    lines += [f"NUMBER({name})" for name in re.findall(r"#define (STRATA_\w+) \d", text)]
    lines += [f"ID({name})" for name in re.findall(r'#define (STRATA_\w+) "', text)]
    return lines


def main() -> None:
    folder, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    rank = {name: i for i, name in enumerate(ORDER)}
    headers = sorted(folder.glob("*.h"), key=lambda h: (rank.get(h.stem, len(ORDER)), h.stem))
    lines = []
    for header in headers:
        lines += [f'HEADER("{header.name}")'] + entries(header.read_text())
    output.write_text("\n".join(lines) + "\n")


main()
