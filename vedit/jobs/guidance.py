"""What of the settings of guidance and sound is known before a model is loaded."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from vedit import timeline
from vedit.backbone.outline import Outline
from vedit.conditioners import CONDITIONERS, Conditioner
from vedit.conditioners.audio import model_sound_encoder
from vedit.conditioners.sound_encoder import check_sound_encoder
from vedit.config import AudioConditionSettings, Sampled, SoundtrackSettings
from vedit.errors import ConfigError, VeditHint, VeditWarning
from vedit.priors import PRIORS
from vedit.session import Model
from vedit.shots import ONE_SHOT, Shots
from vedit.stages import prompt_schedule, soundtrack
from vedit.stages.sound import SoundTokens
from vedit.stages.soundtrack import Soundtrack
from vedit.timeline import Moments

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


def check(config: Sampled) -> None:
    """Find faults of the sound, and of what follows it, that show before the model is loaded.

    Raises MediaError, WeightsError and ConfigError.
    """
    soundtrack.check(config)
    if config.sound_encoder is not None:
        check_sound_encoder(config.sound_encoder)
    still = not PRIORS.load(config.prior).walks
    if still and config.noise_walk != type(config).model_fields["noise_walk"].default:
        raise ConfigError(f"noise_walk: the noise of the prior {config.prior} does not wander; use --prior walk.")


def check_times(config: Sampled, moments: Moments, tokenizer: CLIPTokenizer, shots: Shots | None = ONE_SHOT) -> None:
    """Check that every setting that varies in time has a value in each frame, and that prompts are in order. ``shots``:
    of the clip; None where they are still to be found.

    Raises ConfigError, also for a word to emphasise that no prompt says.
    """
    for settings in (config, *config.emphasis, *config.image, *config.negative_image):
        for name in settings.ranges():
            if getattr(settings, name) is not None:
                settings.per_frame(name, moments)
    for control in config.control or ():
        control.weights(moments)
    for conditioner in _conditioners(config):
        for name in conditioner.options.ranges():
            line = timeline.read(getattr(conditioner.options, name))
            # What has a sound of its own to follow, where the job has none, tells its faults when it listens.
            if "sound" not in conditioner.needs or line.needs <= moments.names(0).keys():
                conditioner.options.per_frame(name, moments)
    prompt_schedule.arrivals(config, moments, shots)
    prompt_schedule.emphasised_tokens(config, tokenizer)


def sound_tokens(config: Sampled, model: Model, track: Soundtrack) -> tuple[SoundTokens, ...]:
    """What the sound encoder makes of the sound; empty where there is no sound, no encoder, or no weight.

    Raises WeightsError where the encoder does not fit the model.
    """
    if track.timed_sound is None:
        return ()
    asked = config.audio_scale is not None or config.sound_encoder is not None
    scale = audio_scale_of(config, not asked and model_sound_encoder(model.outline) is not None)
    if scale == 0 and config.audio_scale is None and not _listens(config):
        warnings.warn(
            "this model has no sound encoder, and nothing else follows the sound; name a feature in a timeline, "
            "such as --emphasis WORD=1+2*loudness, --guidance 4+6*percussive, or --prior walk --noise-walk 0.3*onset",
            VeditWarning,
            stacklevel=2,
        )
    strength = config.model_copy(update={"audio_scale": scale}).per_frame("audio_scale", track.moments)
    if not any(strength):
        return ()
    settings = AudioConditionSettings(encoder=config.sound_encoder)
    return (SoundTokens(track.timed_sound, tuple(strength), settings, model),)


def audio_scale_of(config: SoundtrackSettings, model_hears: bool) -> float | str:
    """The weight of the sound encoder: as set, else 1 where there is an encoder and a sound, and 0 where not."""
    if config.audio_scale is not None:
        return config.audio_scale
    return float(config.audio is not None and (model_hears or config.sound_encoder is not None))


def hint_at_sound_encoder(config: Sampled, encoder: str) -> None:
    """Hint that the model's sound ``encoder``, if its notes name one, also puts what is heard into the picture, where
    the sound may be meant to drive timelines alone."""
    unasked = config.audio is not None and config.audio_scale is None and config.sound_encoder is None
    if encoder and unasked and (config.prompt.strip() or _listens(config)):
        warnings.warn(
            "the sound also says what is to be seen; --audio-scale 0 lets it drive numbers alone",
            VeditHint,
            stacklevel=2,
        )


def motion_scale(
    config: Sampled, outline: Outline, moments: Moments, *, tuned: bool = False
) -> tuple[float, ...] | None:
    """The weight of the temporal layers in each frame (F,); None where it is 1 throughout. ``tuned``: the model is to
    be tuned, which gives it some. Raises ConfigError."""
    if config.motion_scale == 1:
        return None
    if not (outline.joins_frames or tuned):
        raise ConfigError(
            "motion_scale: this model has no temporal layers; give it some with --motion-adapter (AnimateDiff), "
            "--adapter, or in an edit --tune."
        )
    return tuple(config.per_frame("motion_scale", moments))


def _listens(config: Sampled) -> bool:
    """Whether any timeline of the config uses an audio feature or beats."""
    return bool(_soundtrack(config) & {*timeline.FEATURES, "b"})


def follows_beats(config: Sampled) -> bool:
    """Whether any timeline or prompt time of the config uses the beats."""
    return bool(_soundtrack(config) & {"beat", "b"})


def _soundtrack(config: Sampled) -> set[str]:
    """The audio features that timelines of the config use, and "b" where one, or a prompt's time, counts beats."""
    settings = (config, *config.emphasis, *config.image, *config.negative_image)
    lines = [getattr(each, name) for each in settings for name in each.ranges()]
    lines += [each.weight for each in config.control or () if not isinstance(each.weight, tuple)]
    conditions = [each.options for each in _conditioners(config)]
    lines += [getattr(options, name) for options in conditions for name in options.ranges()]
    times = [each.time for each in config.prompt_at]
    times += [each.time for each in (*config.image, *config.negative_image) if each.time is not None]
    counted = {"b"} if any(time.endswith("b") for time in times) else set()
    return counted.union(*(timeline.read(each).needs for each in lines if each is not None))


def _conditioners(config: Sampled) -> list[Conditioner]:
    """Those that the config names beside its controls. Raises PartError and ConfigError."""
    return [CONDITIONERS.make(each.kind, each.options) for each in config.condition]
