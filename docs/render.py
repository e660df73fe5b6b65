"""Write the generated pages of the reference; `make docs` runs this.

A page for each verb from its own command, the exit codes from the table of errors, and the limits
from the constants of the source. A test renders them again and compares, so a page cannot fall
behind.
"""

import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import click

from docs.limits import LIMITS
from docs.verbs import VERBS as NOTES
from docs.verbs import Notes
from shipmark import errors
from shipmark.cli.failure import EXIT_CODES, INTERNAL
from shipmark.cli.main import VERBS
from shipmark.errors import ShipmarkError

REFERENCE = Path(__file__).parent / "reference"

WRITTEN = {
    "package.md": "what you hand over: forms, `shipmark.toml`, golden records, what is refused",
    "lock-file.md": "every section and key of `shipmark.lock`, and what makes it outdated",
    "image.md": "what is in an image: layers, configuration, labels, materials",
    "server.md": "routes, media types, errors, settings, start, drain, watchdog, log",
    "guard.md": "tokens: the file, what is answered to whom",
    "observing.md": "metrics, log lines, Server-Timing, traces",
    "sandbox.md": "what a deployment may do, its limits, and what this host must allow",
    "settings.md": "environment variables, and where things lie on the disk",
    "hosts.md": "what works on which system, and what must be installed",
}
"""Pages written by hand -> what is on them."""

_GENERATED = {
    "limits.md": "every bound with its value",
    "exit-codes.md": "exit codes and the `code` of errors",
}

_WHEN: dict[type[Exception], str] = {
    ShipmarkError: "Any other refusal, such as a full disk",
    click.UsageError: "The command line is not one that the verb knows",
    OSError: "The operating system refused something",
}
"""For the classes whose own words are not meant for users."""

_MEANING = {"port": "Port to listen on."}
"""For options that need no help on a terminal."""


def pages() -> dict[Path, str]:
    """Every generated page: its path and its text."""
    texts = {
        f"{verb}.md": _verb_page(
            verb, importlib.import_module(f"shipmark.cli.{verb}").command, NOTES.get(verb)
        )
        for verb in VERBS
    }
    texts |= {"README.md": _contents(), "exit-codes.md": _exit_codes(), "limits.md": _limits()}
    return {REFERENCE / name: text for name, text in texts.items()}


# -- a verb ------------------------------------------------------------------------------


def _verb_page(verb: str, command: click.Command, notes: Notes | None) -> str:
    context = click.Context(command, info_name=f"shipmark {verb}")
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    lines = [f"# shipmark {verb}", "", VERBS[verb], "", "```", usage, "```", ""]
    lines += [inspect.cleandoc(command.help or "").replace("\b\n", ""), ""]
    if notes is not None and notes.remark:
        lines += [notes.remark, ""]
    if notes is not None:
        lines += _table(
            ("argument", "meaning"), ((f"`{k}`", v) for k, v in notes.arguments.items())
        )
    lines += _table(("option", "default", "meaning"), _options(command, context))
    if notes is not None:
        lines += ["For example:", "", "```", notes.example, "```", ""]
        if notes.json:
            lines += ["What `--json` prints:", ""]
            lines += _table(("key", "meaning"), ((f"`{k}`", v) for k, v in notes.json.items()))
    see = {**(notes.see if notes is not None else {}), "exit codes": "exit-codes.md"}
    links = ", ".join(f"[{title}]({page})" for title, page in see.items())
    return "\n".join([*lines, f"See also: {links}."]) + "\n"


def _arguments(command: click.Command, notes: Notes) -> Iterator[tuple[str, str]]:
    for argument in command.params:
        if isinstance(argument, click.Argument):
            name = argument.human_readable_name
            yield f"`{name}`", notes.arguments.get(name, "")


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str, str]]:
    for option in command.params:
        if not isinstance(option, click.Option) or option.hidden:
            continue
        names = ", ".join(sorted(option.opts, key=len))
        value = "" if option.is_flag else f" {_value_of(option, context)}"
        meaning, default = _help(option)
        if option.multiple and "repeated" not in meaning:
            meaning += " May be repeated."
        yield f"`{names}{value}`", default, meaning


def _value_of(option: click.Option, context: click.Context) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    if option.metavar is not None:
        return option.metavar
    return option.make_metavar(context).removesuffix(" RANGE")


def _help(option: click.Option) -> tuple[str, str]:
    """What an option means, and its default; some say it in their words."""
    said, _, in_words = (option.help or "").partition("Default: ")
    meaning = said.strip() or _MEANING.get(option.name or "", "")
    default = option.default
    if option.is_flag or not isinstance(default, str | int | float):
        return meaning, in_words.rstrip(".")
    return meaning, f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


# -- the other pages ---------------------------------------------------------------------


def _contents() -> str:
    lines = ["# Reference", ""]
    lines += _table(
        ("page", "what is on it"),
        ((f"[{_title(name)}]({name})", about) for name, about in {**WRITTEN, **_GENERATED}.items()),
    )
    lines += _table(
        ("command", "what it does"),
        ((f"[`shipmark {verb}`]({verb}.md)", line) for verb, line in VERBS.items()),
    )
    lines += [
        "Every command takes `--json`: one document on standard output and nothing else. Otherwise",
        "the result goes to standard output and progress to standard error: bars on a terminal,",
        "plain lines in a log.",
    ]
    return "\n".join(lines) + "\n"


def _title(name: str) -> str:
    return name.removesuffix(".md").replace("-", " ")


def _exit_codes() -> str:
    lines = ["# Exit codes", ""]
    lines += [
        "An error is a line that begins with `error:`, on standard error, and often one that says",
        "what to do next. With `--json` it is a document on standard output:",
        '`{"error": {"code": ..., "message": ..., "hint": ...}}`.',
        "",
    ]
    lines += _table(("exit", "`code`", "when"), _exit_rows())
    lines += [
        "The nearest kind counts. `shipmark serve` ends as its server does; what the server itself",
        "answers and ends with is on the page of [the server](server.md#errors).",
    ]
    return "\n".join(lines) + "\n"


def _exit_rows() -> Iterator[tuple[str, str, str]]:
    kinds: list[type[Exception]] = list(dict.fromkeys((*EXIT_CODES, *_below(ShipmarkError))))
    codes: dict[type[Exception], str] = {click.UsageError: "usage", OSError: "system"}
    rows = []
    for kind in kinds:
        number = next(EXIT_CODES[each] for each in kind.__mro__ if each in EXIT_CODES)
        code = kind.code if issubclass(kind, ShipmarkError) else codes[kind]
        rows.append((number, f"`{code}`", _WHEN.get(kind) or _first_line(kind)))
    yield "0", "", "It went well"
    yield from (
        (str(number), code, when) for number, code, when in sorted(rows, key=lambda r: r[0])
    )
    yield str(INTERNAL), "`internal`", "A fault of Shipmark's own, with its traceback: report it"
    yield "130", "", "Interrupted (Ctrl-C)"


def _below(kind: type[ShipmarkError]) -> Iterator[type[ShipmarkError]]:
    """The subclasses that have a code of their own."""
    for each in kind.__subclasses__():
        if each.__module__ in (errors.__name__, ShipmarkError.__module__):
            yield each
            yield from _below(each)


def _first_line(kind: type[Exception]) -> str:
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0].rstrip(".")


def _limits() -> str:
    lines = ["# Limits", "", "Every bound that is not a setting, from the source itself.", ""]
    for title, (about, limits) in LIMITS.items():
        lines += [f"## {title}", "", *([about, ""] if about else [])]
        lines += _table(("what", "bound"), ((each.what, each.value()) for each in limits))
    return "\n".join(lines).rstrip() + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The lines of a table, and an empty one; nothing where there are no rows."""
    written = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    if not written:
        return []
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *written, ""]


def write(texts: Mapping[Path, str]) -> None:
    """Write the pages."""
    REFERENCE.mkdir(exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(pages())
