"""Every constant of the source that is named like a limit is on the page of the limits."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from docs.limits import LIMITS, NOT_LIMITS, read

SOURCE = Path(__file__).parents[2] / "src"
NAMED_LIKE_A_LIMIT = re.compile(r"(MAX|LEAST|LONGEST|FIRST|LARGE)_[A-Z_]+|[A-Z][A-Z_]*_(BYTES|S)")


def _constants() -> Iterator[str]:
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            targets: list[ast.expr] = []
            if isinstance(statement, ast.Assign):
                targets = statement.targets
            elif isinstance(statement, ast.AnnAssign):
                targets = [statement.target]
            for target in targets:
                if isinstance(target, ast.Name) and NAMED_LIKE_A_LIMIT.fullmatch(target.id):
                    yield f"{module}:{target.id}"


def test_no_limit_is_missing() -> None:
    listed = {limit.source for _, limits in LIMITS.values() for limit in limits}

    missing = [name for name in _constants() if name not in listed and name not in NOT_LIMITS]

    assert not missing, "name them in docs/limits.py, as a limit or as none"


def test_what_is_listed_is_there() -> None:
    for _, limits in LIMITS.values():
        for limit in limits:
            assert read(limit.source) > 0, limit.source
    for source in NOT_LIMITS:
        assert read(source) > 0, source
