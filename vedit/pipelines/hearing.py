"""The sound that a clip follows: what is heard in each frame, and where it leads."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vedit import timeline
from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.clip.sound import Audio, SoundSource
from vedit.clip.soundfile import check_sound, read_sound
from vedit.condition import Condition
from vedit.conditioners.audio import Listened, own_encoder, saying
from vedit.config import STRONGEST_SOUND, AudioSettings, EditConfig, GenerateConfig, ListeningSettings, SoundSettings
from vedit.errors import ConfigError, VeditWarning
from vedit.guiders import ClassifierFree, Guider, Unguided
from vedit.listening import Heard, listen, shaped
from vedit.pipelines import wording
from vedit.timeline import Moments


@dataclass(frozen=True, eq=False)
class Followed:
    """The frames of a clip with what is heard in each, and the sound that goes with them, if there is one.

    audio: the sound's excerpt, as long as the clip; source: where it came from, so that it can be copied
    listened: all of the sound, for the conditioner that says what is heard
    """

    moments: Moments
    audio: Audio | None = None
    source: SoundSource | None = None
    listened: Listened | None = None


def check(config: ListeningSettings) -> None:
    """What can be seen to be wrong with the sound before the model is loaded. Raises MediaError."""
    if config.audio is not None:
        check_sound(config.audio)


def read(config: ListeningSettings, path: Path) -> Audio:
    """All of a sound. Raises MediaError where it cannot be read, ConfigError where it ends before it is to begin."""
    audio = read_sound(path)
    if config.audio_start >= audio.duration:
        raise ConfigError(
            f"audio_start: {config.audio_start:g} s, and {path} lasts {audio.duration:.2f} s; begin earlier."
        )
    return audio


def length(config: ListeningSettings, audio: Audio, rate: Fraction) -> int:
    """How many frames last as long as what is taken of a sound."""
    return max(1, round(lasting(config, audio) * rate))


def lasting(config: ListeningSettings, audio: Audio) -> float:
    """Seconds of what is taken of a sound."""
    there = audio.duration - config.audio_start
    return there if config.audio_duration is None else min(there, config.audio_duration)


def listened(
    config: ListeningSettings, audio: Audio, frames: int, rate: Fraction
) -> tuple[Heard, dict[str, NDArray[np.float32]]]:
    """What is heard in so many frames, and its features (F,) as they are shaped.

    All of the sound is listened to, whatever is taken of it, so that a longer excerpt begins the same.
    """
    heard = listen(audio, rate, frames, start=config.audio_start, bpm=config.bpm)
    sounds = np.arange(frames) / float(rate) < lasting(config, audio)
    return heard, {name: shaped(curve * sounds, rate, config) for name, curve in heard.features.items()}


def follow(config: ListeningSettings, frames: int, rate: Fraction) -> Followed:
    """What is heard in so many frames of a clip. Raises MediaError for a sound that cannot be read, and ConfigError."""
    if config.audio is None:
        beats = None if config.bpm is None else [float(frame / rate) * config.bpm / 60 for frame in range(frames)]
        return Followed(Moments(frames, rate, beats=beats))
    whole = read(config, config.audio)
    heard, features = listened(config, whole, frames, rate)
    first, wanted = round(config.audio_start * whole.rate), round(frames / rate * whole.rate)
    taken = lasting(config, whole)
    excerpt = whole.samples[:, first : first + min(wanted, round(taken * whole.rate))]
    source: SoundSource | None = SoundSource(
        config.audio, Fraction(config.audio_start).limit_denominator(48_000), Fraction(frames) / rate
    )
    silent = wanted - excerpt.shape[1]
    if silent > whole.rate / rate:  # a frame's time and more, so that copying would leave the sound too short
        source = None
    curves = {name: each.tolist() for name, each in features.items()}
    beats = heard.beat_positions.tolist() if len(heard.beats) else None
    moments = Moments(frames, rate, curves, beats)
    sound = Audio(F.pad(excerpt, (0, max(0, silent))), whole.rate)
    return Followed(moments, sound, source, Listened(moments, whole, config.audio_start, taken))


def conditions(config: EditConfig | GenerateConfig, backbone: Backbone, followed: Followed) -> tuple[Condition, ...]:
    """What the sound says, as guidance beside the prompt; nothing where there is none, or none that can listen.

    Raises WeightsError where the encoder does not fit the model.
    """
    if followed.listened is None:
        return ()
    hear = heeded(config, own_encoder(backbone) is not None)
    if hear == 0 and config.hear is None and not _listens(config):
        warnings.warn(
            "this model has no sound encoder, and nothing else follows the sound; name a feature in a timeline, "
            "such as --emphasis WORD=1+2*loudness, --guidance 4+6*percussive, or --prior walk --walk 0.3*onset",
            VeditWarning,
            stacklevel=2,
        )
    moments = followed.moments
    counts = torch.tensor(timeline.read(hear).values(moments, low=0, high=STRONGEST_SOUND))
    if not counts.any():
        return ()
    return (saying(followed.listened, backbone, counts, AudioSettings(encoder=config.sound_encoder)),)


def heeded(config: SoundSettings, model_hears: bool) -> float | str:
    """How far what the sound says counts: as asked, else 1 where there is an encoder that hears it, and 0 where not."""
    if config.hear is not None:
        return config.hear
    return float(config.audio is not None and (model_hears or config.sound_encoder is not None))


def motion(config: EditConfig | GenerateConfig, backbone: Backbone, followed: Followed) -> Tensor | None:
    """How much the layers over time count in each frame (F,), None where as they were trained. Raises ConfigError."""
    if config.motion_scale == 1:
        return None
    if not (backbone.has_time or (isinstance(config, EditConfig) and config.tune)):
        raise ConfigError(
            "motion_scale: this model has no layers over time; give it some with --motion (AnimateDiff), --adapter, or "
            "in an edit --tune."
        )
    return torch.tensor(timeline.read(config.motion_scale).values(followed.moments, low=0, high=10))


def _listens(config: EditConfig | GenerateConfig) -> bool:
    """Whether a number of the config follows what is heard."""
    lines = [config.guidance, config.walk, config.motion_scale, config.blend or 0.0]
    lines += [each.weight for each in config.emphasis]
    if isinstance(config, EditConfig):
        lines += [each.weight for each in config.control if not isinstance(each.weight, tuple)]
    needs = set().union(*(timeline.read(each).needs for each in lines))
    return bool(needs & {*timeline.FEATURES, "b"}) or any(each.time.endswith("b") for each in config.then)


def sounding(clip: Clip, followed: Followed, *, mixed: bool) -> Clip:
    """A clip with the sound that it follows: instead of its own, or ``mixed`` with it, each at half of its loudness."""
    if not mixed or clip.audio is None or followed.audio is None:
        return replace(clip, audio=followed.audio, sound_from=followed.source)
    import librosa

    own, other = clip.audio, followed.audio
    sound = (
        other.samples.mean(0, keepdim=True).numpy() if len(other.samples) != len(own.samples) else other.samples.numpy()
    )
    brought = torch.from_numpy(librosa.resample(sound, orig_sr=other.rate, target_sr=own.rate))
    length = round(len(clip) / clip.rate * own.rate)
    both = [F.pad(each[:, :length], (0, max(0, length - each.shape[1]))) for each in (own.samples, brought)]
    return clip.with_sound(Audio((both[0] + both[1]) / 2, own.rate))


def guider(
    config: EditConfig | GenerateConfig, backbone: Backbone, followed: Followed, prompt: Tensor, negative: Tensor
) -> Guider:
    """Guidance from ``negative`` to ``prompt``, the embeddings (1, T, D) of the config's words, or to what becomes of
    them in time."""
    moments, weights = followed.moments, None
    if config.then or config.emphasis:
        prompt, weights = wording.in_frames(
            config, backbone, moments, lambda frames: follow(config, frames, moments.rate).moments
        )
    if config.guidance == 1 and followed.listened is None:  # what a sound says leads away from the negative
        return Unguided(prompt, weights)
    scale = timeline.numbers(config.guidance, moments, low=0, high=100)
    return ClassifierFree(prompt, negative, scale, config.saturation, weights)
