"""Guidance by sound: tokens that a learned encoder makes of it join the prompt's (TPoS, Jeong et al. 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from vedit import timeline
from vedit.audio import apply_envelope, extract_features
from vedit.clip import Clip
from vedit.clip.audio import Audio as Sound
from vedit.clip.audio_file import read_sound
from vedit.condition import Condition
from vedit.conditioners import Conditioner
from vedit.conditioners.sound_encoder import SoundEncoder, SoundEncoding, load_sound_encoder
from vedit.config import AudioConditionSettings, EnvelopeSettings
from vedit.entrances.tokens import Tokens
from vedit.errors import MediaError, WeightsError
from vedit.part import Need
from vedit.timeline import Moments

if TYPE_CHECKING:
    from vedit.backbone.model import Backbone
    from vedit.backbone.outline import Outline

MOMENTUM = 0.3
"""Of the guidance (Brack et al. 2023, section 4)."""

GUIDANCE_SHARE = 0.5
"""How far guidance leads to what a sound says with strength 1, against how far it leads to the prompt."""


@dataclass(frozen=True, eq=False)
class TimedSound:
    """The frames of a clip, and the sound that plays while they are shown, from its second ``start`` on.

    duration: seconds of the excerpt; frames after its end keep the tokens of its end
    first: the frame that it begins with
    """

    moments: Moments
    sound: Sound
    start: float = 0.0
    duration: float | None = None
    first: int = 0


class Audio(Conditioner):
    """The tokens of the sound encoder as guidance, frame by frame."""

    Options = AudioConditionSettings
    options: AudioConditionSettings
    needs: ClassVar[frozenset[Need]] = frozenset({"sound"})

    def prepare(self, clip: Clip | None, moments: Moments) -> TimedSound:
        """The sound of the file named, or the clip's own. A strength that follows what is heard follows this sound
        where the job follows none.

        Raises MediaError where there is no sound.
        """
        own = None if clip is None else clip.audio
        sound = own if self.options.file is None else read_sound(self.options.file)
        if sound is None:
            lack = "there is no sound" if clip is None else "the clip has no sound"
            raise MediaError(f"condition audio: {lack}; name a file with audio:file=FILE.")
        first = moments.begin if self.options.file is None else 0  # a clip's own sound is cut with it
        if not timeline.read(self.options.strength).needs <= moments.names(0).keys():
            begin = moments.begin - first
            heard = extract_features(sound, moments.rate, begin + moments.frames)
            moments, first = apply_envelope(heard, EnvelopeSettings()).moments(), 0
            moments = moments.stretch(slice(begin, len(heard)))
        return TimedSound(moments, sound, first=first)

    def condition(self, prepared: TimedSound, backbone: Backbone) -> Condition:
        """Raises WeightsError where no sound encoder fits the model, ConfigError for a strength out of range."""
        strength = self.options.per_frame("strength", prepared.moments)
        return sound_condition(prepared, backbone, torch.tensor(strength), self.options)


def sound_condition(
    listened: TimedSound, backbone: Backbone, strength: Tensor, options: AudioConditionSettings
) -> Condition:
    """The condition of a sound's tokens, in each frame weighted by ``strength`` (F,): 0 not at all, 1 as much as the
    prompt.

    Raises WeightsError where no sound encoder fits the model.
    """
    path = options.encoder or model_sound_encoder(backbone)
    if path is None:
        raise WeightsError(
            "this model brings no sound encoder; train one for it (training/README.md) and name the file, or leave "
            "what the sound says out of it with --audio-scale 0."
        )
    listener = check_encoder(load_sound_encoder(path), path, backbone).to(backbone.device)
    tokens = Tokens(tokens_per_frame(listener, listened), strength.clamp(max=1), options.quantile, MOMENTUM)
    return Condition(tokens, GUIDANCE_SHARE * strength, options.start, options.stop)


def model_sound_encoder(model: Backbone | Outline) -> Path | None:
    """The sound encoder in the model's folder, if its notes name one. Raises WeightsError where that file is
    missing."""
    name = model.notes.sound_encoder
    if not name or model.folder is None:
        return None
    path = model.folder / name
    if not path.is_file():
        raise WeightsError(
            f"{model.folder / 'vedit.json'} names the sound encoder {name}, which is not there; put it back, name "
            "another with --sound-encoder, or leave what the sound says out of it with --audio-scale 0."
        )
    return path


def check_encoder(encoder: SoundEncoder, path: Path, backbone: Backbone) -> SoundEncoder:
    """Raises WeightsError for an encoder that was made for another text encoder."""
    theirs = encoder.config.tokens, encoder.config.width
    ours = backbone.tokenizer.model_max_length, backbone.unet.config.cross_attention_dim
    if theirs != ours:
        raise WeightsError(
            f"{path} was trained for a text encoder of {theirs[0]} tokens of {theirs[1]} numbers, this model's has "
            f"{ours[0]} of {ours[1]}: they do not belong together. Name one that was trained for this model."
        )
    return encoder


def encode_sound(encoder: SoundEncoder, sound: Sound) -> SoundEncoding:
    """Encode a sound (C, L) of any sample rate, resampled to the encoder's. On the encoder's device."""
    from vedit.audio.compiled import librosa

    mono = sound.samples.mean(0).numpy()
    brought = librosa.resample(mono, orig_sr=sound.rate, target_sr=encoder.config.rate)
    with torch.no_grad():
        return encoder(torch.from_numpy(brought)[None].to(encoder.filters.device))


def tokens_per_frame(encoder: SoundEncoder, listened: TimedSound) -> Tensor:
    """The tokens (F, T, D) of each frame, interpolated between the segments around the middle of its time.

    One segment more than the frames need is encoded, so that a longer clip has the same tokens in its first frames.
    """
    sound, moments, length = listened.sound, listened.moments, encoder.config.seconds
    numbers = torch.arange(moments.frames) + (moments.begin - listened.first)
    if listened.duration is not None:
        numbers = numbers.clamp(max=max(0, math.ceil(listened.duration * moments.rate) - 1))
    middles = (numbers + 0.5) / float(moments.rate) / length - 0.5
    first = round(listened.start * sound.rate)
    needed = first + round((int(middles[-1].floor()) + 2) * length * sound.rate) + sound.rate
    excerpt = Sound(sound.samples[:, first:needed], sound.rate)
    whole = max(1, int(excerpt.duration / length + 1e-6))  # a segment that the sound's end cuts short sounds softer
    tokens = encode_sound(encoder, excerpt).tokens[0, :whole]
    positions = middles.clamp(0, len(tokens) - 1)
    before = positions.floor().long()
    after = (before + 1).clamp(max=len(tokens) - 1)
    return torch.lerp(tokens[before], tokens[after], (positions - before).to(tokens)[:, None, None])
