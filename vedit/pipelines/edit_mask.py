"""The mask of an edit, from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.backbone.prompts import tokens_of
from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.config import IN_MEMORY, EditConfig, mask_kind
from vedit.errors import ConfigError
from vedit.masks import (
    PromptDifference,
    box_mask,
    check_mask,
    compare_prompts,
    fit_mask,
    latent_mask,
    read_mask,
    untouched_pixels,
    word_mask,
)
from vedit.pipelines.session import probe_source
from vedit.progress import Progress
from vedit.quality import Fidelity


def check(config: EditConfig) -> None:
    """Find faults of the mask that show before the model is loaded. Raises ConfigError and MediaError."""
    kind = mask_kind(config.mask)
    if config.mask == str(IN_MEMORY):
        raise ConfigError("the mask of these settings was in memory, not in a file; give one with --set mask=PATH.")
    if kind == "box":
        picture = probe_source(config)[0].size
        box_mask(config.mask, picture, picture)
    elif kind == "path":
        check_mask(Path(config.mask), *_counts(config))


@dataclass(frozen=True)
class PromptPair:
    """The source prompt as text, and the embeddings (1, T, D) of source and edit prompt, of one T."""

    source: str
    source_text: Tensor
    target_text: Tensor


def mask_tokens(config: EditConfig, source_prompt: str, backbone: Backbone) -> list[int]:
    """The positions of a word mask's tokens in the source prompt; empty for other masks. Raises ConfigError."""
    if mask_kind(config.mask) != "word":
        return []
    if not source_prompt.strip():
        raise ConfigError(f"--mask {config.mask} is a word of the source prompt; give one with --source-prompt.")
    return tokens_of(backbone.tokenizer, source_prompt, config.mask.removeprefix("word:"))


def applies(config: EditConfig, source_prompt: str) -> bool:
    """Whether the edit has a mask; the automatic one needs a source prompt to compare with."""
    return config.mask != "none" and bool(config.mask != "auto" or source_prompt.strip())


def find_mask(
    config: EditConfig,
    source: Clip,
    picture: Size,
    backbone: Backbone,
    latents: Tensor,
    words: PromptPair,
    given: Tensor | None = None,
    difference: PromptDifference | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """The latents that may change (F, 1, h, w) in [0, 1], where a mask ``applies``.

    source: the clip at the working size; picture: the size (H, W) of its file's pictures
    latents: of the source, (F, 4, h, w)
    given: a mask in memory (F or 1, 1, H, W)
    difference: of the two prompts, where it is computed already

    Raises ConfigError and MediaError for masks that do not belong to this clip.
    """
    kind, frames = mask_kind(config.mask), len(source)
    if given is not None:
        pixels = fit_mask(given, frames, source.size)
    elif kind == "box":
        pixels = box_mask(config.mask, picture, source.size)
    elif kind == "path":
        whole = frames if config.clip == IN_MEMORY else _counts(config)[0]
        pixels = read_mask(Path(config.mask), config, whole, frames, source.size)
    elif kind == "word":
        tokens = mask_tokens(config, words.source, backbone)
        return word_mask(backbone, latents, words.source_text, tokens, seed=config.seed, progress=progress)
    else:
        if difference is None:
            difference = compare(config, backbone, latents, words, progress=progress)[0]
        return difference.mask()
    return (
        latent_mask(pixels, backbone.vae_scale_factor, config.steps_taken).expand(frames, -1, -1, -1).to(latents.device)
    )


def compare(
    config: EditConfig,
    backbone: Backbone,
    latents: Tensor,
    words: PromptPair,
    others: Sequence[Tensor] = (),
    progress: Progress | None = None,
) -> list[PromptDifference]:
    """The difference between the source prompt's noise predictions and those of the edit prompt, then of ``others`` (1,
    T, D), for a clip's ``latents`` (F, 4, h, w)."""
    targets = words.target_text, *others
    return compare_prompts(backbone, latents, words.source_text, *targets, seed=config.seed, progress=progress)


def mask_metrics(edited: Fidelity, round_trip: Fidelity, mask: Tensor | None, size: Size) -> dict[str, float]:
    """PSNR in dB against the source, of the edit and of the VAE alone, for pictures of ``size`` (H, W).

    "outside_db" and "outside_vae_db" are of the pixels that the ``mask`` on latents (F, 1, h, w) closes, "inside_db"
    and "inside_vae_db" of those that it opens by half or more. Without a mask all pixels are inside. Regions without
    pixels are left out.
    """
    if mask is None:
        return {"inside_db": edited.db, "inside_vae_db": round_trip.db}
    regions = {"inside": untouched_pixels((mask < 0.5).float(), size), "outside": untouched_pixels(mask, size)}
    found = {"db": edited, "vae_db": round_trip}
    return {
        f"{at}_{of}": each.within(where) for at, where in regions.items() if where.any() for of, each in found.items()
    }


def _counts(config: EditConfig) -> tuple[int, int]:
    """How many frames the clip's file has, and how many of them are edited."""
    info, chosen = probe_source(config)
    return info.frames, len(chosen)
