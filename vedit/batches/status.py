"""What happened to each job of a batch: a file of events (JSONL) that is only ever added to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vedit.batches.outcome import Outcome
from vedit.errors import ConfigError, MediaError
from vedit.files import file_digest, read_text

if TYPE_CHECKING:
    from vedit.batches.plan import PlannedJob

State = Literal["started", "done", "failed"]

LARGEST = 2**30
"""Bytes of a file of events that is read."""


@dataclass(frozen=True)
class Past:
    """The last that a file of events tells of a job.

    Attributes:
        state: how far it came
        key: the name of its result: of another key, it is another job by now
        files: that were written, and digests of what they held
        event: all that was told
    """

    state: State
    key: str
    files: Mapping[str, str]
    event: Mapping[str, Any]

    def changed(self, folder: Path) -> bool:
        """Whether one of its files holds something else by now."""
        return any((found := digest_of(folder / name)) and found != digest for name, digest in self.files.items())

    def stands(self, folder: Path) -> bool:
        """Whether all of its files are there, as they were written."""
        return bool(self.files) and all(digest_of(folder / name) == digest for name, digest in self.files.items())


class Status:
    """The events of a batch. One process at a time adds to it.

    Args:
        path: of the file; made with the first event
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._torn = path.exists() and path.stat().st_size > 0 and not _ends_line(path)

    def add(self, event: str, **told: Any) -> None:
        """Add an event; it is on the disk when this returns. Raises MediaError where it cannot be written."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **told})
        # What a process that was killed had begun to write ends here, and is passed over when it is read.
        text, self._torn = f"\n{line}\n" if self._torn else f"{line}\n", True
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise MediaError(f"{self.path} cannot be written: {error.strerror}; a batch needs it.") from error
        self._torn = False

    def started(self, job: PlannedJob) -> None:
        """A job begins."""
        self.add("started", job=job.job.name, key=job.key, seed=job.seed)

    def made(self, job: PlannedJob, stage: str, key: str, seconds: float) -> None:
        """A stage was made for a job."""
        self.add("made", job=job.job.name, stage=stage, key=key, seconds=round(seconds, 2))

    def failed(self, job: PlannedJob, outcome: Outcome, fault: str) -> None:
        """A job failed, with a ``fault`` of this kind."""
        self.add("failed", job=job.job.name, key=job.key, reason=outcome.reason, fault=fault)

    def done(self, job: PlannedJob, outcome: Outcome, folder: Path) -> None:
        """A job is done, its files whole."""
        files = {file.relative_to(folder).as_posix(): digest_of(file) for file in outcome.files}
        seconds = round(outcome.seconds, 2)
        self.add("done", job=job.job.name, key=job.key, seed=job.seed, frames=job.frames, seconds=seconds, files=files)

    def past(self) -> dict[str, Past]:
        """By the jobs' names, what became of them. Raises ConfigError for a file of something else."""
        found: dict[str, Past] = {}
        for event in self.events():
            if event.get("event") in ("started", "done", "failed") and isinstance(event.get("job"), str):
                state: State = event["event"]
                files = event.get("files")
                named = {str(key): str(value) for key, value in files.items()} if isinstance(files, dict) else {}
                found[event["job"]] = Past(state, str(event.get("key", "")), named, event)
        return found

    def events(self) -> list[dict[str, Any]]:
        """All events, in their order; lines that were cut short are left out. Raises ConfigError."""
        if not self.path.exists():
            return []
        events = []
        for line in read_text(self.path, ConfigError, LARGEST).split("\n"):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                events.append(event)
        return events


def digest_of(path: Path) -> str:
    """What a file, or all files of a folder together, hold; empty where it is not there."""
    try:
        if path.is_dir():
            return " ".join(f"{each.name}:{file_digest(each).hex()}" for each in sorted(path.iterdir()))
        return file_digest(path).hex()
    except OSError:
        return ""


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
