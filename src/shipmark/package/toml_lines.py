"""In which line of a TOML file a key stands, which `tomllib` does not tell."""

import re

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[A-Za-z0-9_-]+)((?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=""")
_MULTILINE = re.compile(r'"""|' + "'''")


def lines_of_keys(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, of each table and key, by its path: `("serve", "workers")`.

    The text is valid TOML. Dotted keys are followed as far as bare words go; what is not found
    has no entry.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    inside_string = False
    for number, line in enumerate(text.splitlines(), start=1):
        was_inside = inside_string
        if len(_MULTILINE.findall(line)) % 2:
            inside_string = not inside_string
        if was_inside:
            continue
        if (header := _HEADER.match(line)) is not None:
            table = _parts(header[1])
            lines.setdefault(table, number)
        elif (key := _KEY.match(line)) is not None:
            path = (*table, *_parts(key[1] + key[2]))
            lines.setdefault(path[: len(table) + 1], number)
            lines.setdefault(path, number)
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
