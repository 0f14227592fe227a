"""What a worker of a cluster does: make one job of a batch, or one stage that several share, as a plain run would."""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vedit.batches.make import make_job, make_stage, reason_of
from vedit.batches.plan import PlannedJob
from vedit.config import cache_folder
from vedit.jobs import entry_of
from vedit.session import Session


@dataclass(frozen=True)
class Surroundings:
    """What a worker needs to work as this process would."""

    working_folder: str
    cache: str
    threads: int

    @classmethod
    def here(cls) -> Surroundings:
        return cls(str(Path.cwd()), str(cache_folder().absolute()), torch.get_num_threads())

    def enter(self) -> None:
        """Work so from now on."""
        os.chdir(self.working_folder)
        os.environ["VEDIT_CACHE"] = self.cache
        if torch.get_num_threads() != self.threads:  # sums depend on how many share them
            torch.set_num_threads(self.threads)


@dataclass(frozen=True)
class Answer:
    """What a task told: the stages that it made (title, key, seconds), its files, or why it failed; and its seconds."""

    made: tuple[tuple[str, str, float], ...]
    files: tuple[Path, ...] = ()
    reason: str = ""
    fault: str = ""
    seconds: float = 0.0


_session: Session | None = None
"""Of this worker: models stay loaded from task to task."""


def work(job: PlannedJob, folder: Path, stage: str, overwrite: bool, surroundings: Surroundings, sign: Path) -> Answer:
    """What a task does. A fault is an answer: the same input would fail again, and is not tried again.

    Args:
        sign: a file that is made when the work begins, after all that a new worker takes seconds to import
    """
    global _session
    surroundings.enter()
    _session = _session or Session()
    made: list[tuple[str, str, float]] = []
    begun = time.perf_counter()

    def answer(**told: Any) -> Answer:
        return Answer(tuple(made), seconds=time.perf_counter() - begun, **told)

    def tell(done: Any, seconds: float) -> None:
        if done.title:
            made.append((done.title, done.key, seconds))

    try:
        entry_of(job.job.config).load()
        importlib.import_module("vedit.adapters.loading")
        sign.touch()
        if stage:
            make_stage(job, folder, stage, _session, tell)
            return answer()
        return answer(files=make_job(job, folder, _session, tell, overwrite=overwrite))
    except Exception as error:  # as in a plain run: whatever it is, the others go on
        return answer(reason=reason_of(error), fault=type(error).__name__)
