"""Write the reference pages from the commands themselves; `make docs` runs this.

A test renders them again and compares, so a page cannot fall behind its command.
"""

import importlib
import inspect
from pathlib import Path

import click

from shipmark.cli.failure import EXIT_CODES, INTERNAL
from shipmark.cli.main import VERBS

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[Path, str]:
    """Every generated page: its path and its text."""
    rendered = {
        REFERENCE / f"{verb}.md": _verb_page(
            verb, importlib.import_module(f"shipmark.cli.{verb}").command
        )
        for verb in VERBS
    }
    rendered[REFERENCE / "README.md"] = _contents()
    rendered[REFERENCE / "exit-codes.md"] = _exit_codes()
    return rendered


def _verb_page(verb: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"shipmark {verb}")
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [f"# shipmark {verb}", "", VERBS[verb], "", "```", usage, "```", ""]
    lines += [inspect.cleandoc(command.help or ""), ""]
    options = [param for param in command.params if isinstance(param, click.Option)]
    lines += ["| option | meaning |", "|---|---|"]
    for option in options:
        record = option.get_help_record(context)
        if record is not None:
            names, meaning = record
            lines.append(
                f"| `{names}` | {meaning} |".replace("[", "\\[")
                if "[" in meaning
                else f"| `{names}` | {meaning} |"
            )
    return "\n".join(lines) + "\n"


def _contents() -> str:
    lines = ["# Reference", "", "| command | what it does |", "|---|---|"]
    lines += [f"| [`shipmark {verb}`]({verb}.md) | {line} |" for verb, line in VERBS.items()]
    lines += ["", "Also: [the package](package.md), [exit codes](exit-codes.md),"]
    lines += ["[the server](server.md), [the lock](lock-file.md), [settings](settings.md)."]
    return "\n".join(lines) + "\n"


def _exit_codes() -> str:
    lines = ["# Exit codes", "", "| code | when |", "|---|---|", "| 0 | it went well |"]
    for error, code in EXIT_CODES.items():
        first_line = (error.__doc__ or error.__name__).strip().splitlines()[0].rstrip(".")
        lines.append(f"| {code} | `{error.__name__}`: {first_line} |")
    lines += [
        f"| {INTERNAL} | a fault of Shipmark's own: please report it |",
        "| 130 | interrupted |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
