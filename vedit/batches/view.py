"""How a batch is watched: one live view on a terminal, else a line for each job that is over."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from vedit.batches.outcome import Outcome
from vedit.batches.page import picture_of
from vedit.batches.plan import PlannedJob
from vedit.errors import one_line
from vedit.jobs.resources import format_duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LAST = 5
"""Jobs that the live view names."""


class View:
    """Shows how a batch goes, on stderr. A context manager and a ``Watcher``.

    Args:
        jobs: that are to be made, in their order
        folder: the batch's
        said: nothing is shown where this is False
    """

    def __init__(self, jobs: Sequence[PlannedJob], folder: Path, *, said: bool = True) -> None:
        self._jobs, self._folder, self._said = jobs, folder, said
        self._over: list[tuple[PlannedJob, Outcome]] = []
        self._left = _passes_each(jobs)
        self._live: Live | None = None
        self._bars: Bars | None = None
        self._tasks: list[TaskID] = []

    def __enter__(self) -> Self:
        if self._said and sys.stderr.isatty():
            self._begin_live()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def progress(self, stage: str, done: int, total: int) -> None:
        """How far a stage is."""
        if self._bars is not None:
            self._bars.update(self._tasks[1], description=stage, completed=done, total=total)

    def begin(self, job: PlannedJob) -> None:
        if self._bars is not None:
            self._bars.reset(self._tasks[1], description=one_line(job.job.name), total=1)
            self._draw()

    def end(self, job: PlannedJob, outcome: Outcome) -> None:
        self._over.append((job, outcome))
        if self._bars is not None:
            self._bars.update(self._tasks[0], advance=self._left[job.job.name])
            self._draw()
        elif self._said:
            print(f"{len(self._over)}/{len(self._jobs)} {_line(job, outcome)}", file=sys.stderr)

    # On a terminal

    def _begin_live(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = TextColumn("{task.description:<28.28}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
        self._bars = Bars(*columns, TextColumn("left"), TimeRemainingColumn())
        self._tasks = [
            self._bars.add_task("all jobs", total=sum(self._left.values())),
            self._bars.add_task("", total=1),
        ]
        self._live = Live(self._shown(), console=Console(stderr=True), refresh_per_second=4)
        self._live.start()

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(self._shown())

    def _shown(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        assert self._bars is not None
        failed = sum(1 for _, outcome in self._over if outcome.reason)
        counts = f"{len(self._over) - failed} done, {failed} failed, {len(self._jobs) - len(self._over)} to come"
        lines = [
            Text(_line(job, outcome), style="red" if outcome.reason else "") for job, outcome in self._over[-LAST:]
        ]
        made = [job.job for job, outcome in self._over if outcome.files]
        picture = [Text(f"last frame: {picture_of(self._folder, made[-1])}", style="dim")] if made else []
        return Group(*lines, *picture, Text(counts), self._bars)


def _line(job: PlannedJob, outcome: Outcome) -> str:
    """How a job ended."""
    if outcome.reason:
        return one_line(f"{job.job.name}: failed: {outcome.reason}")
    return one_line(f"{job.job.name}: done in {format_duration(outcome.seconds)}, {outcome.files[0]}")


def _passes_each(jobs: Sequence[PlannedJob]) -> dict[str, float]:
    """UNet passes of each job, by its name; what several jobs share counts for the first of them. At least one."""
    seen: set[str] = set()
    found = {}
    for job in jobs:
        own = [stage for stage in job.stages if not stage.there and stage.key not in seen]
        found[job.job.name] = 1.0 + sum(stage.passes for stage in own)
        seen |= {stage.key for stage in own if stage.kept}
    return found
