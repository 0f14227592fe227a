"""Progress: the callback that long work reports to, and its display on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
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
    """One bar for the whole job with the time left, on stderr; where that is no terminal, one line per finished stage.

    A context manager and a ``Progress``. Nothing is imported or shown before the first report.
    """

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._work: dict[str, float] = {}
        self._done: dict[str, float] = {}
        self._begun: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away, where there is one, for something else that is drawn."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def expect(self, work: Mapping[str, float]) -> None:
        """The stages to come, in their order, each with how much work it is, in one unit. One that is passed over, as
        when its result is known already, is no longer counted; one that was not expected counts its steps."""
        self._work = dict(work)

    def __call__(self, stage: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            self._draw(stage, done, total)
            return
        begun = self._begun.setdefault(stage, time.monotonic())
        if done >= total:
            del self._begun[stage]
            print(f"{stage}: {total} in {time.monotonic() - begun:.0f} s", file=sys.stderr)

    def say(self, line: str) -> None:
        """Print a line on stderr without breaking the bar."""
        if self._bars is None:
            print(line, file=sys.stderr)
        else:
            self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def share(self, stage: str, done: int, total: int) -> tuple[float, float]:
        """The work that is done and that of the whole job, now that a ``stage`` is so far."""
        stages = list(self._work)
        before = stages[: stages.index(stage)] if stage in stages else []
        for each in before:
            if each not in self._done:
                del self._work[each]
        self._done[stage] = self._work.setdefault(stage, total) * done / total
        return sum(self._done.values()), sum(self._work.values())

    def _draw(self, stage: str, done: int, total: int) -> None:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as Bars

            columns = TextColumn("{task.description:<28}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
            left = TextColumn("left"), TimeRemainingColumn()
            self._bars = Bars(*columns, *left, console=Console(stderr=True))
            self._task = self._bars.add_task("")
            self._bars.start()
        assert self._task is not None
        finished, whole = self.share(stage, done, total)
        self._bars.update(self._task, description=f"{stage} {done}/{total}", completed=finished, total=whole)
