"""What every job is: settings in, the stage that makes its result, the files of that, and how it is told."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.config import ModelSettings, Settings, cache_folder
from vedit.errors import VeditWarning
from vedit.graph import Plan, Run, Stage, Store, plan
from vedit.graph.work import passes
from vedit.jobs import resources
from vedit.jobs.cost import disks_of, told_first
from vedit.jobs.disk_use import room_of
from vedit.jobs.resources import LONG_CLIP, Canvas, check_disks
from vedit.progress import Progress
from vedit.session import Model, Session

if TYPE_CHECKING:
    from vedit.printing import Report

C = TypeVar("C", bound=Settings)
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Given:
    """What a job is given beside its settings.

    Attributes:
        backbone: a model that is loaded
        clip: in memory
        mask: in memory (F or 1, 1, H, W)
        made_with: the fingerprint of the model that a result to be repeated was made with; another is warned of
    """

    backbone: Backbone | None = None
    clip: Clip | None = None
    mask: Tensor | None = None
    made_with: str = ""


@dataclass(frozen=True)
class Goal(Generic[R]):
    """What a job is to make, before any of it is made.

    Attributes:
        stage: whose result is the job's
        settings: the config, what was left to vedit filled in
        model: which it needs; None where it needs none
        canvas: what its networks run on; None where it needs none
        shorten: how it would be made shorter, for whoever has too little memory or time
    """

    stage: Stage[R]
    settings: Settings
    model: Model | None = None
    canvas: Canvas | None = None
    shorten: str = "take fewer --frames, a larger --stride, or a smaller --size"


class Job(ABC, Generic[C, R]):
    """One kind of job. It has no state."""

    def checked(self, config: C) -> C:
        """The config with its output named, once all is found right that shows before a model is opened.

        Raises ConfigError, MediaError and what else is wrong with its files.
        """
        return config

    @abstractmethod
    def goal(self, config: C, session: Session, given: Given) -> Goal[R]:
        """What is to be made. Reads no weights, and no pictures.

        Raises VeditError for all that is wrong with it.
        """

    def finish(self, config: C, result: R, seconds: dict[str, float]) -> R:
        """The result with its files written; ``seconds`` by the stages' titles. Raises MediaError."""
        return result

    def show(self, result: R, report: Report) -> None:
        """Tell of a result on the command line."""

    def left_over(self, config: C) -> Path | None:
        """What an interruption leaves, from which the same job goes on; None where there is no such thing."""
        return None


def run(
    job: Job[C, R],
    config: C,
    given: Given | None = None,
    progress: Progress | None = None,
    expect: Callable[[Mapping[str, float]], None] | None = None,
    *,
    session: Session | None = None,
    made: Callable[[Stage[Any], float], None] | None = None,
) -> R:
    """The result of a job, its config checked; and its files.

    Args:
        progress: what is told of each step; None for nothing
        expect: told before of the steps to come: by their names in ``progress``, as so many passes through the UNet
        session: with models in hand, and a progress of its own; by default a new one
        made: told of each stage that is made, and the seconds it took

    Raises:
        VeditError: for all that a user can mend
    """
    session, store = session or Session(progress), result_store(config)
    goal = job.goal(config, session, given or Given())
    if goal.model is not None and goal.canvas is not None:
        planned = plan(goal.stage, store=store)
        stages = planned.to_make
        if store is not None:
            store = store.for_job(room_of(planned, goal.canvas, goal.model.outline.vae_scale_factor))
        check(goal, planned, session, store)
        if expect is not None:
            expect(expected(stages, goal.canvas.frames))
    making = Run(session, store, made)
    result = making(goal.stage)
    return job.finish(config, result, making.seconds)


def check(goal: Goal[Any], planned: Plan, session: Session, store: Store | None) -> None:
    """Raise DeviceError where a goal cannot be made by this plan on this machine; before a long clip, and before long
    work, warn of what it takes."""
    assert goal.model is not None
    assert goal.canvas is not None
    resources.check(goal.canvas, goal.model, goal.shorten)
    check_disks(disks_of(goal, planned, store), goal.shorten)
    if goal.canvas.seconds >= LONG_CLIP:
        warnings.warn(told_first(goal, planned, session, store), VeditWarning, stacklevel=3)
    else:
        resources.warn_if_long(goal.canvas, goal.model, session, planned.to_make, goal.shorten)


def expected(stages: Iterable[Stage[Any]], frames: int) -> dict[str, float]:
    """UNet passes over all so many ``frames`` of the stages by the names under which progress tells of them, in their
    order; what may turn out not to be needed is left out."""
    found: dict[str, float] = {}
    for work in (each for stage in stages for each in stage.work()):
        if work.progress and not work.doubtful:
            found[work.progress] = found.get(work.progress, 0) + passes(work, frames)
    return found


def opened(config: ModelSettings, session: Session, given: Given) -> Model:
    """The model of a job. Warns where it is not the one that made the result to be repeated. Raises WeightsError and
    DeviceError."""
    model = session.open(config, given.backbone)
    if given.made_with not in ("", model.weights):
        warnings.warn(
            f"{config.model} is not the model, as it was then, that the result was made with; another comes out.",
            VeditWarning,
            stacklevel=2,
        )
    return model


def result_store(config: Settings) -> Store | None:
    """Where results are kept between jobs; None when not wanted, and, with a warning, when it cannot be written."""
    if not getattr(config, "cache", False):
        return None
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return Store(folder)
        reason = "no permission to write"
    except OSError as error:
        reason = str(error.strerror)
    warnings.warn(
        f"the cache {folder} cannot be used ({reason}); going on without it. VEDIT_CACHE names another.",
        VeditWarning,
        stacklevel=2,
    )
    return None
