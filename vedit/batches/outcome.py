"""How a job of a batch ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        files: that were written, the main output first; empty where it failed
        reason: why it failed; empty where it did not
        seconds: that it took
    """

    files: tuple[Path, ...] = ()
    reason: str = ""
    seconds: float = 0.0
