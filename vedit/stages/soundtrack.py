"""The soundtrack of a clip: the excerpt of a sound that goes with its frames, and its features in each of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from vedit.audio import AudioFeatures, apply_envelope, extract_features
from vedit.clip.audio import Audio, AudioOrigin
from vedit.clip.audio_file import check_sound, part_of, read_sound
from vedit.clip.audio_stream import LONGEST
from vedit.clip.lazy import LazyClip
from vedit.conditioners.audio import TimedSound
from vedit.config import AudioInputSettings
from vedit.errors import ConfigError, VeditWarning
from vedit.timeline import Moments


@dataclass(frozen=True, eq=False)
class Soundtrack:
    """The frames of a clip with the sound's features in each, and the sound that goes with them, if there is one.

    audio: the sound's excerpt, as long as the clip; origin: where it came from, so that it can be copied
    timed_sound: all of the sound, for the sound encoder
    """

    moments: Moments
    audio: Audio | None = None
    origin: AudioOrigin | None = None
    timed_sound: TimedSound | None = None

    def stretch(self, frames: slice) -> Soundtrack:
        """For some of the frames alone; what is heard stays whole."""
        moments = self.moments.stretch(frames)
        timed = None if self.timed_sound is None else replace(self.timed_sound, moments=moments)
        return replace(self, moments=moments, timed_sound=timed)


def check(config: AudioInputSettings) -> None:
    """Find faults of the sound that show without decoding it. Raises MediaError."""
    if config.audio is not None:
        check_sound(config.audio)


def read(config: AudioInputSettings) -> Audio | None:
    """All of the sound, if there is one. Raises MediaError where it cannot be read, ConfigError where it ends before it
    is to begin."""
    if config.audio is None:
        return None
    audio = read_sound(config.audio)
    if config.audio_start >= audio.duration:
        raise ConfigError(
            f"audio_start: {config.audio_start:g} s, and {config.audio} lasts {audio.duration:.2f} s; begin earlier."
        )
    return audio


def frame_count(config: AudioInputSettings, audio: Audio, rate: Fraction) -> int:
    """How many frames last as long as the excerpt of a sound."""
    return max(1, round(duration(config, audio) * rate))


def duration(config: AudioInputSettings, audio: Audio) -> float:
    """Seconds of the excerpt of a sound."""
    there = audio.duration - config.audio_start
    return there if config.audio_duration is None else min(there, config.audio_duration)


def features_of(config: AudioInputSettings, audio: Audio, frames: int, rate: Fraction) -> AudioFeatures:
    """The features of a sound in so many frames, under the envelope that the settings ask for.

    The whole sound is analysed, whatever the excerpt, so that a longer excerpt has the same first frames. Raises
    ConfigError for more frames than a sound can last.
    """
    if frames / rate > LONGEST:
        raise ConfigError(
            f"frames: {frames:,} at {float(rate):g} per second last {float(frames / rate):,.0f} s; expected at most "
            f"{LONGEST:,} s with a sound."
        )
    heard = extract_features(audio, rate, frames, start=config.audio_start, bpm=config.bpm)
    sounds = np.arange(frames) / float(rate) < duration(config, audio)
    taken = replace(heard, features={name: curve * sounds for name, curve in heard.features.items()})
    return apply_envelope(taken, config)


def prepare(config: AudioInputSettings, frames: int, rate: Fraction, audio: Audio | None = None) -> Soundtrack:
    """The soundtrack of so many frames of a clip. ``audio``: the config's whole sound, where it is read already.

    Raises MediaError for a sound that cannot be read, and ConfigError.
    """
    whole = read(config) if audio is None else audio
    if whole is None or config.audio is None:
        beats = None if config.bpm is None else [float(frame / rate) * config.bpm / 60 for frame in range(frames)]
        return Soundtrack(Moments(frames, rate, beats=beats))
    moments = features_of(config, whole, frames, rate).moments()
    first, wanted = round(config.audio_start * whole.rate), round(frames / rate * whole.rate)
    taken = duration(config, whole)
    excerpt = whole.samples[:, first : first + min(wanted, round(taken * whole.rate))]
    source: AudioOrigin | None = part_of(config.audio, config.audio_start, Fraction(frames) / rate)
    silent = wanted - excerpt.shape[1]
    if silent > whole.rate / rate:  # a frame's time and more, so that copying would leave the sound too short
        source = None
    sound = Audio(F.pad(excerpt, (0, max(0, silent))), whole.rate)
    return Soundtrack(moments, sound, source, TimedSound(moments, whole, config.audio_start, taken))


def add_to(clip: LazyClip, track: Soundtrack, *, mixed: bool) -> LazyClip:
    """A clip with its soundtrack: instead of its own, or ``mixed`` with it, each half as loud."""
    if not mixed or clip.audio is None or track.audio is None:
        if mixed:
            warnings.warn("audio_mix: the clip has no sound of its own to mix with.", VeditWarning, stacklevel=2)
        return replace(clip, audio=track.audio, audio_origin=track.origin)
    from vedit.audio.compiled import librosa

    own, other = clip.audio, track.audio
    sound = (
        other.samples.mean(0, keepdim=True).numpy() if len(other.samples) != len(own.samples) else other.samples.numpy()
    )
    brought = torch.from_numpy(librosa.resample(sound, orig_sr=other.rate, target_sr=own.rate))
    length = round(len(clip) / clip.rate * own.rate)
    both = [F.pad(each[:, :length], (0, max(0, length - each.shape[1]))) for each in (own.samples, brought)]
    return replace(clip, audio=Audio((both[0] + both[1]) / 2, own.rate), audio_origin=None)
