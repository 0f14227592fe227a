"""The shots of a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from vedit.clip import Clip
from vedit.clip.cuts import find_cuts
from vedit.errors import ConfigError
from vedit.graph import Stage
from vedit.session import Session
from vedit.shots import Shots


@dataclass(frozen=True)
class FindShots(Stage[Shots]):
    """The shots that a clip shows to have.

    Attributes:
        named: the last that the prompts name, counted from 1. Raises ConfigError where there are fewer
    """

    clip: Stage[Clip]
    named: int = field(default=1, compare=False)

    title: ClassVar[str] = "finding cuts"
    kept: ClassVar[bool] = True

    def make(self, session: Session, clip: Clip) -> Shots:
        shots = find_cuts(clip.frames)
        check_named(shots, self.named)
        return shots

    def pack(self, result: Shots) -> Mapping[str, Tensor]:
        return {"starts": torch.tensor(result.starts)}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Shots:
        shots = Shots(tuple(tensors["starts"].tolist()))
        check_named(shots, self.named)
        return shots


@dataclass(frozen=True)
class GivenShots(Stage[Shots]):
    """The shots that begin where the settings say."""

    shots: Shots

    def make(self, session: Session) -> Shots:
        return self.shots


def check_named(shots: Shots, named: int) -> None:
    """Raise ConfigError where prompts name more shots, counted from 1, than there are."""
    if named > len(shots.counted):
        cuts = ", ".join(str(start - shots.counted[0]) for start in shots.counted[1:])
        found = f"the clip has {len(shots.counted)} shots, cut at {cuts}" if cuts else "the clip is one shot"
        raise ConfigError(
            f"prompt_at: there is no shot{named}; {found}. --shots says where it is cut, such as --shots 24,60 for "
            "three."
        )
