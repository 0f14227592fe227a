"""Quick looks at the jobs of a batch, before the real thing: a first frame, four frames, a small version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vedit.batches.configs import BatchJob
from vedit.batches.folder import PREVIEWS
from vedit.batches.plan import PlannedJob, planned
from vedit.batches.status import Past
from vedit.config import Settings
from vedit.config.named_files import fields_written
from vedit.session import Session

KEY_FRAMES = 4

SMALLER = 2
"""By how much the sides, and the steps, of a small version are less."""

LEAST_STEPS = 5


@dataclass(frozen=True)
class Round:
    """One kind of preview of all jobs.

    Attributes:
        name: also of its folder
        jobs: those of the batch that have it, with the same names
    """

    name: str
    folder: Path
    jobs: tuple[PlannedJob, ...]


def folders(folder: Path) -> list[Path]:
    """Where the rounds of a batch's previews are, the most telling first."""
    return [folder / PREVIEWS / name for name in ("small", "key-frames", "first-frame")]


def rounds(jobs: Sequence[PlannedJob], folder: Path, past: dict[Path, dict[str, Past]]) -> Iterator[Round]:
    """The rounds in which previews are made, the quickest first.

    Args:
        jobs: those that are to be made; one that cannot be has no previews
        folder: the batch's
        past: what became of each round's jobs in earlier runs, by the rounds' folders
    """
    session = Session(fetches=False)
    makers = {"first-frame": _first_frame, "key-frames": _key_frames, "small": _small}
    for where in reversed(folders(folder)):
        found = []
        for job in jobs:
            changes = None if job.fault is not None else makers[where.name](job)
            if changes is not None:
                found.append(
                    planned(_moved(job, folder, where, changes), where, session, past[where].get(job.job.name))
                )
        yield Round(where.name, where, tuple(found))


def _moved(job: PlannedJob, folder: Path, where: Path, changes: dict[str, Any]) -> BatchJob:
    """The same job with some settings changed, written elsewhere, and nothing beside its clip."""
    config = job.job.config
    others = {name: None for name in fields_written(type(config)) if name != "output"}
    output = where / job.job.output.relative_to(folder)
    return replace(job.job, config=config.model_copy(update={**others, **changes, "output": output}), made_with="")


def _first_frame(job: PlannedJob) -> dict[str, Any] | None:
    return {"frames": 1, **_untuned(job.job.config)} if _has(job.job.config, "frames") and job.frames else None


def _key_frames(job: PlannedJob) -> dict[str, Any] | None:
    """Frames that are spread over the clip; of a clip that is to be made, its first."""
    config, count = job.job.config, job.frames or 0
    if count <= KEY_FRAMES or not _has(config, "frames"):
        return None
    stride = getattr(config, "stride", None)
    spread = {} if stride is None else {"stride": stride * ((count - 1) // (KEY_FRAMES - 1))}
    return {"frames": KEY_FRAMES, **spread, **_untuned(config)}


def _small(job: PlannedJob) -> dict[str, Any] | None:
    """All frames, at half the sides and half the steps."""
    config = job.job.config
    if job.size is None or not _has(config, "steps"):
        return None
    height, width = (max(8, side // SMALLER) for side in job.size)
    sides = {"size": max(height, width)} if _has(config, "size") else {"height": height, "width": width}
    steps = min(getattr(config, "steps"), max(LEAST_STEPS, getattr(config, "steps") // SMALLER))  # noqa: B009
    return {**sides, "steps": steps, **_untuned(config)}


def _untuned(config: Settings) -> dict[str, Any]:
    """Without the tuning, which takes longest."""
    return {"tune": 0} if _has(config, "tune") else {}


def _has(config: Settings, name: str) -> bool:
    return name in type(config).model_fields
