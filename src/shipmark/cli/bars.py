"""Progress bars for a terminal; imported only where one is drawn, since Rich takes its time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Task as RichTask
from rich.text import Text

from shipmark.cli.amounts import Counter, amount_text
from shipmark.progress import Task


class Bars:
    """All tasks under way in one live display; each leaves one line when it has ended."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("    {task.description}"),
            BarColumn(bar_width=30),
            _Amount(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._open = 0
        self._lock = threading.Lock()

    def step(self, text: str) -> None:
        """Print the step in bold."""
        self._console.print(Text(f"==> {text}", style="bold"))

    def note(self, text: str) -> None:
        """Print the note dimmed."""
        self._console.print(Text(f"    note: {text}", style="yellow"))

    @contextmanager
    def task(self, label: str, *, total: int | None, unit: str) -> Iterator[Task]:
        """Draw a bar while the task runs."""
        begin = time.monotonic()
        with self._lock:
            self._open += 1
            self._progress.start()
            bar = self._progress.add_task(label, total=total, unit=unit)
        counter = Counter(lambda done: self._progress.update(bar, completed=done))
        try:
            yield counter
        finally:
            with self._lock:
                self._progress.remove_task(bar)
                self._open -= 1
                if self._open == 0:
                    self._progress.stop()
        done = amount_text(counter.done, unit)
        self._console.print(
            Text(f"    {label}: {done}, {time.monotonic() - begin:.1f} s", style="dim")
        )


class _Amount(DownloadColumn):
    """Bytes as sizes, everything else as a count."""

    def __init__(self) -> None:
        super().__init__()
        self._count = MofNCompleteColumn()

    def render(self, task: RichTask) -> Text:
        return super().render(task) if task.fields["unit"] == "bytes" else self._count.render(task)
