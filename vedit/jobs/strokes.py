"""What of motion strokes the settings and the model leave to be chosen: what shows the words that they name, by what
their flow is completed, and how frames are drawn along it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torch import Tensor

from vedit.backbone.outline import Outline
from vedit.backbone.prompts import tokens_of
from vedit.config import AnimateConfig, LearntMotionSettings, MotionSettings
from vedit.errors import ConfigError
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.motion.fields import Field
from vedit.motion.learnt.completion import read_completion_config
from vedit.motion.learnt.folder import LearntMotion
from vedit.session import Model
from vedit.stages.motion import DrawStrokes
from vedit.stages.word_region import WordRegion

NOTHING = "and the model brings nothing that is learnt of strokes; name it with --motion-model (training/README.md)."
"""Why something learnt cannot be used."""


def learnt_motion(config: LearntMotionSettings, outline: Outline) -> LearntMotion:
    """What is learnt of strokes: what the settings name, else what the model brings, which may be nothing. Raises
    WeightsError for a folder that is named and holds nothing of it."""
    if config.motion_model is not None:
        return LearntMotion.of(config.motion_model)
    if outline.folder is not None and outline.notes.motion_strokes:
        return LearntMotion.of(outline.folder / outline.notes.motion_strokes)
    return LearntMotion(None, None)


def with_words(
    drawn: DrawStrokes, picture: Stage[Tensor], model: Model, prompt: str, setting: str, seed: int
) -> DrawStrokes:
    """Strokes whose masks may be words, which a model finds in the picture that they are drawn on.

    Args:
        prompt: what the picture shows; the words are some of its own
        setting: that the prompt is given with

    Raises:
        ConfigError: for a word that the prompt does not say
    """
    shown = dict[str, WordRegion]()
    for name, word in drawn.strokes.words:
        if not prompt.strip():
            raise ConfigError(f"{name}: the mask word:{word} is a word of what is shown; say that with {setting}.")
        try:
            tokens = tuple(tokens_of(model.outline.tokenizer, prompt, word))
        except ConfigError as error:
            raise ConfigError(f"{name}: the mask word:{word}: {error}") from error
        shown[word] = WordRegion.of(picture, model, prompt, tokens, word, seed)
    return replace(drawn, shown=tuple(shown.values()))


def field_of(config: MotionSettings, learnt: LearntMotion, *, picture: bool = True) -> tuple[Field, File | None]:
    """What happens between strokes: how, and the folder of the network that says so instead, if one does.

    Args:
        picture: whether there is one, which such a network looks at

    Raises:
        ConfigError: for what is asked for and is not there
        WeightsError: for a network whose config cannot be
    """
    chosen = config.motion_field
    if chosen in ("rigid", "similarity", "thin_plate"):
        return chosen, None
    if chosen == "learnt" and not picture:
        raise ConfigError("motion_field learnt looks at a picture, and none is given; take rigid.")
    if chosen == "learnt" and learnt.completion is None:
        raise ConfigError(f"motion_field learnt needs a network that completes flow, {NOTHING}")
    if learnt.completion is None or not picture or config.motion_strokes is None:
        return "rigid", None
    read_completion_config(learnt.completion.path)
    return "rigid", learnt.completion


def control_of(
    config: AnimateConfig, learnt: LearntMotion, *, words: bool = False
) -> tuple[Literal["none", "together", "roll_out"], File | None]:
    """How the ControlNet `motion` draws frames, and its folder.

    Args:
        words: whether it is these that say how the picture moves

    Raises:
        ConfigError: where it is asked for and is not there; for a roll-out where words say how the picture moves
    """
    chosen = config.motion_control
    if chosen == "auto":
        moves = words or config.motion_strokes is not None or config.motion_of is not None
        chosen = "together" if moves and learnt.control is not None else "none"
    if chosen == "none":
        return chosen, None
    if learnt.control is None:
        raise ConfigError(f"motion_control {chosen} needs the ControlNet `motion`, {NOTHING}")
    if chosen == "roll_out" and words:
        raise ConfigError("motion_control roll_out goes along strokes or a clip's motion, not words; take together.")
    if chosen == "roll_out" and (config.window is not None or config.overlap is not None):
        raise ConfigError("motion_control roll_out makes one frame after the other; leave --window and --overlap out.")
    return chosen, learnt.control
