"""``vedit inspect mask``: the mask of an edit, shown over the clip before the edit is made."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.clip.lazy import LazyClip, MakeFrames
from vedit.clip.sizes import Size
from vedit.config import IN_MEMORY, EditConfig, mask_kind
from vedit.errors import ConfigError, MediaError, VeditWarning
from vedit.graph import Run, Stage
from vedit.pipelines import edit_mask
from vedit.pipelines.execution import result_store
from vedit.pipelines.outputs import check_output, check_video, default_output
from vedit.pipelines.session import (
    attention_kind,
    check_resources,
    clip_facts,
    load_model,
    needs_flow,
    reopen,
    source_prompt_of,
    source_stage,
    with_adapter,
)
from vedit.progress import Progress
from vedit.session import Session
from vedit.sheet import contact_sheet
from vedit.stages.difference import ComparePrompts
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Encode
from vedit.stages.words import words_of

DARK = 0.5
"""How bright the picture is where nothing may change; it is grey there too."""

LINE = (1.0, 0.85, 0.1)
"""Colour of the line around what may change."""


@dataclass(frozen=True)
class InspectMaskResult:
    """Where an edit may happen: ``mask`` (F, 1, h, w) on latents, in [0, 1], and ``share``, its mean; the clip with the
    rest of it dark and grey, and the files that hold that."""

    video: LazyClip
    mask: Tensor
    share: float
    files: tuple[Path, ...]


def run(config: EditConfig, progress: Progress | None = None) -> InspectMaskResult:
    """Find the mask of the edit that ``config`` asks for, and show it over the clip, in a video and where asked in a
    contact sheet. Without ``output``, "<clip>-mask.mp4" in the current folder.

    "auto" and "word" ask the model, in a few passes; the others take it for the size at which it works alone. Raises
    what an edit raises until it has its mask.
    """
    config = checked(config)
    size, frames = clip_facts(config, None)
    backbone = load_model(config)
    check_resources(config, frames, size, backbone)
    with with_adapter(config, backbone):
        return _inspect(config, source_stage(config, None, size, backbone), size, backbone, progress)


def _inspect(
    config: EditConfig, clip: Stage[Clip], size: Size, backbone: Backbone, progress: Progress | None
) -> InspectMaskResult:
    """The mask for a ``clip`` at the working size, shown over pictures of ``size`` (H, W)."""
    assert config.output is not None
    session = Session(progress)
    made, model = Run(session, result_store(config.cache)), session.hold(backbone)
    source = made(clip)
    source_prompt = source_prompt_of(config, backbone)
    edit_mask.mask_tokens(config, source_prompt, backbone)
    kind = attention_kind(config, backbone)
    flow = EstimateFlow(clip) if needs_flow("attention", kind) else None
    height, width = source.size
    mask = torch.ones(len(source), 1, height // backbone.vae_scale_factor, width // backbone.vae_scale_factor)
    if edit_mask.applies(config, source_prompt):
        words = words_of(backbone, source_prompt, config.prompt, config.negative_prompt)
        latents, difference = Encode(clip, model), None
        if mask_kind(config.mask) == "auto":
            compared = ComparePrompts(latents, None, flow, model, kind, words[0], (words[1],), config.seed)
            difference = made(compared)[0]
        with session.working(model, kind, flow=made(flow) if flow else None):
            text, prompt, _ = (each.embedded(backbone) for each in words)
            said = edit_mask.PromptPair(source_prompt, text, prompt)
            mask = edit_mask.find_mask(
                config, source, size, backbone, made(latents), said, difference=difference, progress=progress
            ).cpu()
    elif config.mask == "auto":
        warnings.warn(
            "without --source-prompt there are no words to compare, so the whole frame may change.",
            VeditWarning,
            stacklevel=2,
        )
    whole = LazyClip.of(source, size) if source.size == size else reopen(config, source, size)
    make = partial(_shown, whole.make, mask)
    video = LazyClip(make, len(source), size, source.rate, source.audio, source.audio_origin)
    video.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
    files = [config.output]
    if config.sheet is not None:
        contact_sheet(source, video, config.sheet, label="mask", overwrite=config.overwrite)
        files.append(config.sheet)
    return InspectMaskResult(video, mask, float(mask.mean()), tuple(files))


def checked(config: EditConfig) -> EditConfig:
    """The config with its output named, once all can be written. Raises ConfigError and MediaError."""
    if config.clip == IN_MEMORY:
        raise ConfigError("the clip of these settings was in memory, not in a file; give one with --set clip=PATH.")
    if config.compare is not None:
        raise ConfigError("no edit is made to see its mask, so there is none to --compare; leave it, or take --sheet.")
    if config.tune:
        raise ConfigError("nothing is tuned to see a mask; tune first with `vedit tune`, and give its --adapter.")
    config = config.model_copy(update={"output": config.output or default_output(config.clip, "-mask.mp4")})
    check_video(config)
    if config.sheet is not None:
        if config.sheet.suffix.lower() != ".png":
            raise MediaError(f"{config.sheet}: a contact sheet is written as .png.")
        check_output(config.sheet, config.files_read(), config.overwrite)
    edit_mask.check(config)
    return config


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
    opened = (level >= 0.5).to(frame)[None]
    around = functional.max_pool2d(opened, 2 * thick + 1, stride=1, padding=thick)[0] - opened[0]
    return torch.where(around > 0, torch.tensor(LINE).view(3, 1, 1), shown)
