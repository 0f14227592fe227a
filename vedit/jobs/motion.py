"""The ways in which a picture is told how to move, of which one is taken: strokes, a clip, or words."""

from __future__ import annotations

from vedit.backbone.outline import Outline
from vedit.config import AnimateConfig
from vedit.config.paths import expand_home
from vedit.errors import ConfigError, WeightsError
from vedit.graph.files import File
from vedit.motion.generated.network import read_flow_diffusion_config
from vedit.stages.borrowed import check_donor, check_mask


def check_motion(config: AnimateConfig) -> None:
    """Find faults that show before a model is opened. Raises ConfigError and MediaError."""
    named = [
        name
        for name, given in (
            ("motion_strokes", config.motion_strokes is not None),
            ("motion_of", config.motion_of is not None),
            ("motion_words", config.motion_words not in ("auto", "none")),
        )
        if given
    ]
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)} exclude each other; give the motion in one way.")
    if named == ["motion_words"] and not config.prompt.strip():
        raise ConfigError("motion_words moves the picture as the prompt says, and there is none; give a --prompt.")
    if config.motion_of is not None:
        check_donor(config.motion_of)
        check_mask(config.motion_mask)


def is_told(config: AnimateConfig, outline: Outline) -> bool:
    """Whether anything says how the picture moves. Raises as ``flow_diffusion``."""
    drawn = config.motion_strokes is not None or config.motion_of is not None
    return drawn or flow_diffusion(config, outline) is not None


def flow_diffusion(config: AnimateConfig, outline: Outline) -> File | None:
    """The folder of the flow diffusion that moves the picture; None where something else does, or nothing is said.

    Raises WeightsError for one that is not there, or not for this model.
    """
    told = config.motion_strokes is not None or config.motion_of is not None
    if told or config.motion_words == "none" or not config.prompt.strip():
        return None
    if config.motion_words != "auto":
        folder = expand_home(config.motion_words)
    elif outline.folder is not None and outline.notes.motion_words:
        folder = outline.folder / outline.notes.motion_words
    else:
        return None
    if not folder.is_dir():
        raise WeightsError(
            f"'{folder}' is no folder of a flow diffusion; expected what `training.flow_diffusion` wrote."
        )
    read_flow_diffusion_config(folder, outline.text_width)
    return File.of(folder)
