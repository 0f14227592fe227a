"""Batches in processes of their own, each at a fresh desk, with a diary of what was made and what was begun."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

# Imported so that a process that is forked has them already, and kills meet work.
from vedit.adapters import loading as _loading  # noqa: F401
from vedit.batches import batch as _batch  # noqa: F401
from vedit.batches.folder import PAGE, STATUS
from vedit.batches.status import Status
from vedit.cli import main
from vedit.clip import Clip
from vedit.graph import Run, Stage
from vedit.jobs.edit import Edit

SERVER = multiprocessing.get_context("forkserver")
"""Processes that have imported everything when they begin, so that kills meet work."""

PATIENCE = 280
"""Seconds in which a batch ends, however much else this machine does."""

TIMED = {STATUS, PAGE}
"""Files that tell when something was done, and how long it took."""


@dataclass(frozen=True)
class Entry:
    """One line of a diary.

    Attributes:
        event: "begun" or "made"
        work: the kind and the key of a stage, or "files" and the output that they go with
        kept: whether the result is kept for others
        at: seconds, of a clock that all processes share
    """

    event: str
    work: str
    kept: bool
    at: float


@dataclass(frozen=True)
class Desk:
    """A fresh place.

    Attributes:
        folder: of the results and the diary
        cache: which several desks may share
    """

    folder: Path
    cache: Path

    @classmethod
    def new(cls, folder: Path, cache: Path | None = None) -> Desk:
        """An empty one, by default with a cache of its own."""
        folder.mkdir(parents=True)
        return cls(folder, cache or folder / "cache")

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def diary(self) -> Path:
        return self.folder / "diary.txt"

    @property
    def said(self) -> str:
        """All that was printed."""
        return (self.folder / "said.txt").read_text()

    def begin(self, jobs: Path, *arguments: object) -> BaseProcess:
        """``vedit batch`` of these jobs, in a process that is the first of a session of its own."""
        given = ["batch", str(jobs), "-o", str(self.out), "--quiet", *(str(each) for each in arguments)]
        process = SERVER.Process(target=_work, args=(given, self))
        process.start()
        return process

    def finish(self, process: BaseProcess) -> None:
        """Wait for a batch, which must end well."""
        process.join(PATIENCE)
        assert process.exitcode == 0, self.said

    def outputs(self) -> dict[str, bytes]:
        """What lies under names of its own in the folder of the results, but for the page and the status."""
        found = (path for path in self.out.rglob("*") if path.is_file() and not path.name.startswith("."))
        return {
            path.relative_to(self.out).as_posix(): path.read_bytes() for path in found if path.name not in TIMED
        }  # fmt: skip

    def hidden(self) -> list[Path]:
        """Unfinished files, and locks."""
        return [path for folder in (self.out, self.cache) for path in folder.rglob(".*")]

    def events(self) -> list[dict[str, Any]]:
        """What the status tells."""
        return Status(self.out / STATUS).events()

    def entries(self) -> list[Entry]:
        """What the diary tells."""
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        words = (line.split(" ") for line in lines)
        return [Entry(event, f"{kind} {name}", kept == "True", float(at)) for event, kind, name, kept, at in words]

    def count(self, event: str, *, kept: bool | None = None) -> Counter[str]:
        """How often each piece of work was "begun" or "made"; only of what is ``kept``, or only of what is not."""
        return Counter(each.work for each in self.entries() if each.event == event and kept in (None, each.kept))


def processes_of(session: int) -> list[int]:
    """The processes of a session that was begun by ``Desk.begin``, by its first process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                found.append(int(folder.name))
        except ProcessLookupError:
            continue
    return found


def clips(folder: Path, count: int, *, frames: int = 3, side: int = 32) -> list[Path]:
    """Video files that differ: slopes of colours that move."""
    across = torch.linspace(0, 1, side).expand(side, side)
    made = []
    for number in range(count):
        pictures = [
            torch.stack([(across + index / 10) % 1, across.T, torch.full_like(across, (number + 1) / (count + 1))])
            for index in range(frames)
        ]
        made.append(folder / f"clip{number}.mp4")
        Clip(torch.stack(pictures), Fraction(8)).save(made[-1])
    return made


def tiny(model: Path) -> str:
    """Settings of edits that take a second or two, with this model."""
    return f"""
        model: {model}
        device: cpu
        source-prompt: a red dog
        frames: 2
        size: 16
        steps: 2
        tune: 1
    """


def jobs_file(path: Path, clips: Sequence[Path], prompts: Sequence[str], settings: str) -> Path:
    """A file of edits, each clip by each prompt. ``settings``: of all of them, lines of YAML."""
    defaults = "".join(f"  {line.strip()}\n" for line in settings.strip().splitlines())
    listed = ", ".join(f"'{clip}'" for clip in clips), ", ".join(f"'{prompt}'" for prompt in prompts)
    product = f"  - product:\n      clip: [{listed[0]}]\n      prompt: [{listed[1]}]\n"
    path.write_text(f"defaults:\n{defaults}jobs:\n{product}")
    return path


def _work(arguments: list[str], desk: Desk) -> None:
    """The command in a process of its own."""
    os.setsid()
    os.environ["VEDIT_CACHE"] = str(desk.cache)
    os.chdir(desk.folder)
    said = os.open(desk.folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    _keep_diary(desk.diary)
    sys.exit(main(arguments))


def _keep_diary(path: Path) -> None:
    """From now on write down each stage, and the files of each job, when they are begun and when they are made."""
    diary = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tell(event: str, work: str, kept: bool) -> None:
        os.write(diary, f"{event} {work} {kept} {time.monotonic()}\n".encode())

    make: Callable[..., Any] = Run._make
    finish: Callable[..., Any] = Edit.finish

    def told_make(run: Run, stage: Stage[Any]) -> Any:
        if not stage.title:  # next to no work, and not told of by the status either
            return make(run, stage)
        for each in stage.needs():  # so that what is timed is this stage alone
            run(each)
        work = f"{type(stage).__name__} {stage.key}"
        tell("begun", work, stage.kept)
        result = make(run, stage)
        tell("made", work, stage.kept)
        return result

    def told_finish(job: Edit, config: Any, *others: Any) -> Any:
        tell("begun", f"files {config.output.name}", False)
        result = finish(job, config, *others)
        tell("made", f"files {config.output.name}", False)
        return result

    Run._make = told_make
    Edit.finish = told_finish
