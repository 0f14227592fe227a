"""Where what is learnt of strokes lies: a folder that ``training.strokes`` wrote, or one in the model's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vedit.backbone.model_files import reading_weights
from vedit.errors import WeightsError
from vedit.graph.files import File

COMPLETION, CONTROL = "flow_completion", "controlnet"
"""Its folders: of the network that completes flow, and of the ControlNet `motion`."""


@dataclass(frozen=True)
class LearntMotion:
    """What is learnt of strokes, by the digests of its files.

    Attributes:
        completion: the folder of the network that completes flow; None where there is none
        control: that of the ControlNet that draws frames along a flow; None where there is none
    """

    completion: File | None
    control: File | None

    @classmethod
    @reading_weights()
    def of(cls, folder: Path) -> LearntMotion:
        """What lies in a folder. Raises WeightsError where it holds neither."""
        found = [File.of(folder / name) if (folder / name).is_dir() else None for name in (COMPLETION, CONTROL)]
        if not any(found):
            what = "has" if folder.is_dir() else "is no folder with"
            raise WeightsError(
                f"'{folder}' {what} neither {COMPLETION} nor {CONTROL}: expected what `training.strokes` wrote."
            )
        return cls(*found)
