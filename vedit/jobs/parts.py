"""What a job's settings and model leave to be chosen of its parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from vedit.backbone.outline import Outline
from vedit.config import AttentionSettings, EditConfig, GenerateConfig, InvertConfig, ModelSettings
from vedit.config.groups import NO_MOTION

C = TypeVar("C", EditConfig, GenerateConfig)
NamesModel = TypeVar("NamesModel", bound=ModelSettings)

DEFAULT_ATTENTION = "sparse_causal"
"""The attention kind of a plain model, which has none of its own."""


def attention_kind(config: AttentionSettings, outline: Outline, default: str = DEFAULT_ATTENTION) -> str:
    """The attention kind of a job: the config's, else the model's own, else the ``default`` of a plain model."""
    if config.attention is not None:
        return config.attention
    own = outline.tuned.attention
    return default if own == "per_frame" and not outline.layers.motion else own


def without_own_motion(config: NamesModel) -> NamesModel:
    """The settings of a job that loads a model without the motion modules that it brings, unless others are named."""
    return config if config.motion_adapter is not None else config.model_copy(update={"motion_adapter": NO_MOTION})


def source_prompt_of(config: EditConfig | InvertConfig, outline: Outline) -> str:
    """The source prompt of a job: the config's, else the one that the model was tuned on."""
    return outline.tuned.prompt if config.source_prompt is None else config.source_prompt


def suited(config: C, notes: Mapping[Any, Any], unused: Collection[str] = ()) -> C:
    """A job's config with the settings that its model's notes name, where others are not given.

    Args:
        config: as it was given
        notes: by the settings' names; of a model without any it is empty
        unused: settings that the job has no use for this time
    """
    kept = config.model_fields_set | set(unused)
    return config.model_copy(update={name: value for name, value in notes.items() if name not in kept})
