"""How long work reports how far it is, and the display of that on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``: the name of a stage, and its steps done of all."""


def renamed(progress: Progress | None, stage: str) -> Progress | None:
    """The same display under another stage's name, for a loop that serves several stages."""
    if progress is None:
        return None
    return lambda _, done, total: progress(stage, done, total)


class Display:
    """A bar for each stage with the time left, on stderr; where that is no terminal, one line per finished stage.

    A context manager and a ``Progress``. Nothing is imported or shown before the first report.
    """

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            self._draw(stage, done, total)
            return
        begun = self._begun.setdefault(stage, time.monotonic())
        if done >= total:
            del self._begun[stage]
            print(f"{stage}: {total} in {time.monotonic() - begun:.0f} s", file=sys.stderr)

    def say(self, line: str) -> None:
        """Print a line on stderr without breaking the bars."""
        if self._bars is None:
            print(line, file=sys.stderr)
        else:
            self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _draw(self, stage: str, done: int, total: int) -> None:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as Bars

            columns = TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
            left = TextColumn("left"), TimeRemainingColumn()
            self._bars = Bars(*columns, *left, console=Console(stderr=True))
            self._bars.start()
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total)
