"""``vedit inspect mask``: the mask of an edit, shown over the clip before the edit is made."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from vedit.clip import Clip
from vedit.clip.lazy import LazyClip, MakeFrames
from vedit.config import IN_MEMORY, InspectMaskConfig
from vedit.errors import ConfigError, MediaError, VeditWarning
from vedit.graph import Stage
from vedit.jobs import edit_mask, summary
from vedit.jobs.base import Given, Goal, Job, opened
from vedit.jobs.edit_stages import EditStages
from vedit.jobs.outputs import check_output, check_video, default_output
from vedit.jobs.parts import source_prompt_of
from vedit.jobs.source import Footage
from vedit.jobs.windows import settle_windows
from vedit.session import Session
from vedit.sheet import contact_sheet
from vedit.stages import soundtrack

if TYPE_CHECKING:
    from vedit.printing import Report

DARK = 0.5
"""How bright the picture is where nothing may change; it is grey there too."""

LINE = (1.0, 0.85, 0.1)
"""Colour of the line around what may change."""


@dataclass(frozen=True)
class InspectMaskResult:
    """Where an edit may happen.

    Attributes:
        video: the clip, what may not change dark and grey
        mask: (F, 1, h, w) on latents, in [0, 1]
        share: its mean
        source: the clip at the working size
        files: what was written
    """

    video: LazyClip
    mask: Tensor
    share: float
    source: Clip = field(repr=False)
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class ShowMask(Stage[InspectMaskResult]):
    """A mask over the clip; ``cell`` pixels make one of the latents."""

    clip: Stage[Clip]
    mask: Stage[Tensor] | None
    cell: int
    config: InspectMaskConfig
    footage: Footage = field(compare=False)

    def make(self, session: Session, clip: Clip, mask: Tensor | None) -> InspectMaskResult:
        height, width = clip.size
        mask = torch.ones(len(clip), 1, height // self.cell, width // self.cell) if mask is None else mask.cpu()
        whole = self.footage.full_size(self.config, clip)
        video = replace(whole, make=partial(_shown, whole.make, mask))
        return InspectMaskResult(video, mask, float(mask.mean()), clip)


class InspectMask(Job[InspectMaskConfig, InspectMaskResult]):
    """Without ``output``, "<clip>-mask.mp4" in the current folder.

    "auto" and "word" ask the model, in a few passes; the others take it for the size at which it works alone.
    """

    def checked(self, config: InspectMaskConfig) -> InspectMaskConfig:
        if config.clip == IN_MEMORY:
            raise ConfigError("the clip of these settings was in memory, not in a file; give one with --set clip=PATH.")
        if config.compare is not None:
            raise ConfigError(
                "no edit is made to see its mask, so there is none to --compare; leave it, or take --sheet."
            )
        if config.key_frames is not None:
            raise ConfigError(
                "key_frames: the mask between key frames follows from their edit; leave it out to see that of an edit "
                "of all frames."
            )
        if config.tune:
            raise ConfigError("nothing is tuned to see a mask; tune first with `vedit tune`, and give its --adapter.")
        if config.output is None:
            config = config.model_copy(update={"output": default_output(config.clip, "-mask.mp4")})
        check_video(config)
        if config.sheet is not None:
            if config.sheet.suffix.lower() != ".png":
                raise MediaError(f"{config.sheet}: a contact sheet is written as .png.")
            check_output(config.sheet, config.files_read(), config.overwrite)
        edit_mask.check(config)
        return config

    def goal(self, config: InspectMaskConfig, session: Session, given: Given) -> Goal[InspectMaskResult]:
        footage = Footage.of(config, given.clip)
        model = opened(config, session, given)
        size = footage.working_size(config, model.outline)
        # Neither what steers nor a sound has a say in where words differ.
        prompt = source_prompt_of(config, model.outline)
        config = config.model_copy(update={"source_prompt": prompt, "control": (), "audio": None})
        config = settle_windows(config, footage.frames, size, model.outline, branches=2)
        track = soundtrack.prepare(config, footage.frames, footage.rate)
        stages = EditStages(config, model, footage, size, track)
        if config.mask == "auto" and stages.mask is None:
            no_words = "without --source-prompt there are no words to compare"
            why = "the look of an --image may be seen anywhere" if config.image else no_words
            warnings.warn(f"{why}, so the whole frame may change.", VeditWarning, stacklevel=2)
        finish = ShowMask(stages.clip, stages.mask, model.outline.vae_scale_factor, config, footage)
        return Goal(finish, config, model, stages.canvas)

    def finish(
        self, config: InspectMaskConfig, result: InspectMaskResult, seconds: dict[str, float]
    ) -> InspectMaskResult:
        assert config.output is not None
        result.video.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
        files = [config.output]
        if config.sheet is not None:
            contact_sheet(result.source, result.video, config.sheet, label="mask", overwrite=config.overwrite)
            files.append(config.sheet)
        return replace(result, files=tuple(files))

    def show(self, result: InspectMaskResult, report: Report) -> None:
        report.clip(result.video, result.files)
        for sentence in summary.sentences({"edited_share": result.share}):
            report.say(sentence)
        report.add_data(metrics={"edited_share": result.share})


def _shown(original: MakeFrames, mask: Tensor, indices: Sequence[int]) -> Iterator[Tensor]:
    """The frames of these ``indices``, each under its mask."""
    for index, frame in zip(indices, original(indices), strict=True):
        yield over(frame, mask[index])


def over(frame: Tensor, mask: Tensor) -> Tensor:
    """A frame (3, H, W) in [0, 1] with what a mask on latents (1, h, w) closes dark and grey, and a line around what it
    opens by half or more."""
    size = (int(frame.shape[1]), int(frame.shape[2]))
    level = functional.interpolate(mask[None].to(frame), size=size, mode="bilinear", align_corners=False)[0]
    grey = (frame * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True).expand_as(frame)
    shown = torch.lerp(DARK * grey, frame, level)
    thick = max(1, round(max(size) / 250))
    inside = (level >= 0.5).to(frame)[None]
    around = functional.max_pool2d(inside, 2 * thick + 1, stride=1, padding=thick)[0] - inside[0]
    return torch.where(around > 0, torch.tensor(LINE).view(3, 1, 1), shown)
