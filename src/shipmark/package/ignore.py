"""Which files are no part of a package: `.shipmarkignore`, and what nobody means to ship.

The same rules read a directory and a zip, so that both give the same files. As in git, a file
below an ignored folder cannot be taken back; the last matching line decides. Lines of
`.shipmarkignore` come after the defaults, so `!__pycache__/` takes a default back.
"""

import re
from collections.abc import Container
from typing import Self

from pathspec import GitIgnoreSpec

from shipmark.package.complaints import Complaints
from shipmark.package.paths import parents

IGNORE_FILE = ".shipmarkignore"

MAX_IGNORE_BYTES = 64 * 1024
MAX_WILDCARDS = 6
"""Runs of `*` in one line; each multiplies the time that matching a long name can take."""

NEVER_SHIPPED = (
    ".git", f"/{IGNORE_FILE}", "/shipmark.lock", "*.shipmark.lock", ".*shipmark.lock.new",
)  # fmt: skip
"""No line of `.shipmarkignore` takes these back; the last is a lock that is being written."""

DEFAULTS = (
    # version control
    ".gitignore", ".gitattributes", ".gitmodules", ".gitkeep", ".hg", ".hgignore",
    ".svn", ".bzr", ".jj",
    # bytecode, caches and builds of Python
    "__pycache__/", "*.py[cod]", ".mypy_cache/", ".pytest_cache/", ".ruff_cache/",
    ".hypothesis/", ".tox/", ".nox/", ".ipynb_checkpoints/", ".coverage", "*.egg-info/",
    ".cache/", "node_modules/",
    # virtual environments; any folder with a pyvenv.cfg is one too
    ".venv/",
    # secrets people keep beside code
    ".env", ".env.*", ".netrc", ".pypirc",
    # editors and operating systems
    ".idea/", ".vscode/", "*.swp", "*.swo", "*~", ".#*", "#*#", "__MACOSX/", ".DS_Store", "._*",
    "Thumbs.db", "desktop.ini", ".directory", ".Trash-*/",
    # containers: not for this image
    ".dockerignore", ".dvc/", ".dvcignore",
)  # fmt: skip

_ALWAYS = GitIgnoreSpec.from_lines(NEVER_SHIPPED)


class IgnoreRules:
    """The defaults with the lines of one `.shipmarkignore` after them."""

    def __init__(self, lines: tuple[str, ...] = ()) -> None:
        self._spec = GitIgnoreSpec.from_lines((*DEFAULTS, *lines))
        self._folders: dict[str, bool] = {}

    @classmethod
    def parse(cls, data: bytes, complaints: Complaints) -> Self:
        """Read the bytes of a `.shipmarkignore`; lines that are no patterns are complained of."""
        if len(data) > MAX_IGNORE_BYTES:
            complaints.add(
                IGNORE_FILE, f"is larger than {MAX_IGNORE_BYTES} bytes", "ignore whole folders"
            )
            return cls()
        good: list[str] = []
        for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
            place = f"{IGNORE_FILE}:{number}"
            if len(re.findall(r"\*+", line)) > MAX_WILDCARDS:
                complaints.add(
                    place, f"has more than {MAX_WILDCARDS} wildcards", "write it in several lines"
                )
                continue
            try:
                GitIgnoreSpec.from_lines([line])
            except (ValueError, re.error):
                complaints.add(
                    place,
                    f"{line[:100]!r} is not a pattern of gitignore",
                    "see https://git-scm.com/docs/gitignore",
                )
                continue
            good.append(line)
        return cls(tuple(good))

    def ignores_folder(self, path: str) -> bool:
        """Whether nothing below the folder `path` belongs to the package."""
        if path not in self._folders:
            self._folders[path] = self._matches(f"{path}/")
        return self._folders[path]

    def ignores_file(self, path: str) -> bool:
        """Whether the file is left out; its folders are not looked at."""
        return self._matches(path)

    def ignores_link(self, path: str) -> bool:
        """Whether the link is left out, be it as a file or as the folder it stands for."""
        return self._matches(path) or self._matches(f"{path}/")

    def ignores(self, path: str, environments: Container[str] = ()) -> bool:
        """Whether the file or a folder above it is left out.

        Args:
            path: The file's path.
            environments: Folders that are virtual environments.
        """
        return self._matches(path) or any(
            parent in environments or self.ignores_folder(parent) for parent in parents(path)
        )

    def _matches(self, path: str) -> bool:
        return _ALWAYS.match_file(path) or self._spec.match_file(path)
