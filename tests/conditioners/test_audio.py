"""What a sound says, frame by frame, and which encoder listens."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import librosa
import pytest
import torch

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.notes import ModelNotes
from vedit.clip import Audio as Sound
from vedit.clip import Clip
from vedit.conditioners.audio import (
    GUIDANCE_SHARE,
    Audio,
    TimedSound,
    encode_sound,
    model_sound_encoder,
    tokens_per_frame,
)
from vedit.conditioners.sound_encoder import SoundConfig, SoundEncoder
from vedit.config import AudioConditionSettings
from vedit.entrances.tokens import Tokens
from vedit.errors import MediaError, WeightsError
from vedit.timeline import Moments


@pytest.fixture
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


def encoder_for(tokens: int, width: int) -> SoundEncoder:
    config = SoundConfig(tokens=tokens, width=width, channels=8, state=16, hidden=32)
    torch.manual_seed(0)
    filters = torch.from_numpy(librosa.filters.mel(sr=config.rate, n_fft=512, n_mels=64))
    return SoundEncoder(config, filters).eval().requires_grad_(False)


@pytest.fixture
def encoder(backbone: Backbone, tmp_path: Path) -> Path:
    path = tmp_path / "encoder.safetensors"
    width = backbone.unet.config.cross_attention_dim
    encoder_for(backbone.tokenizer.model_max_length, width).save(path)
    return path


def sound(seconds: float, rate: int = 22_050) -> Sound:
    samples = torch.randn(2, round(seconds * rate), generator=torch.Generator().manual_seed(4)) * 0.1
    return Sound(samples * torch.linspace(0, 1, samples.shape[1]), rate)


def test_each_frame_hears_its_own_moment() -> None:
    encoder, rate = encoder_for(5, 12), Fraction(25, 4)  # a frame is as long as a segment
    assert encoder.config.seconds == 0.16
    heard = encode_sound(encoder, sound(2)).tokens[0]
    found = tokens_per_frame(encoder, TimedSound(Moments(10, rate), sound(2)))
    torch.testing.assert_close(found, heard[:10])
    between = tokens_per_frame(encoder, TimedSound(Moments(19, 2 * rate), sound(2)))
    torch.testing.assert_close(between[1:3], torch.lerp(heard[0], heard[1], torch.tensor([[[0.25]], [[0.75]]])))
    past = tokens_per_frame(encoder, TimedSound(Moments(40, rate), sound(2)))
    assert torch.equal(past[30], past[39])


def test_a_longer_clip_and_a_later_start() -> None:
    encoder, rate = encoder_for(5, 12), Fraction(8)
    short, long = (tokens_per_frame(encoder, TimedSound(Moments(frames, rate), sound(4))) for frames in (16, 32))
    torch.testing.assert_close(short, long[:16], atol=1e-5, rtol=1e-4)
    cut = Sound(sound(4).samples[:, 22_050:], 22_050)
    late = tokens_per_frame(encoder, TimedSound(Moments(8, rate), sound(4), start=1.0))
    torch.testing.assert_close(late, tokens_per_frame(encoder, TimedSound(Moments(8, rate), cut)))


def test_the_clips_own_sound_or_a_file(backbone: Backbone, encoder: Path) -> None:
    silent, moments = Clip(torch.zeros(4, 3, 8, 8), Fraction(8)), Moments(4, Fraction(8))
    options = AudioConditionSettings(encoder=encoder, strength="0:0, 3:6", quantile=0.0, start=0.25)
    with pytest.raises(MediaError, match="the clip has no sound"):
        Audio(options).prepare(silent, moments)
    made = Audio(options).condition(Audio(options).prepare(silent.with_sound(sound(0.5)), moments), backbone)
    assert isinstance(made.entrance, Tokens)
    length = backbone.tokenizer.model_max_length
    assert made.entrance.text.shape == (4, length, backbone.unet.config.cross_attention_dim)
    assert made.envelope.tolist() == [0, 2 * GUIDANCE_SHARE, 4 * GUIDANCE_SHARE, 6 * GUIDANCE_SHARE]
    assert made.entrance.share.tolist() == [0, 1, 1, 1]
    assert (made.start, made.stop, made.entrance.quantile) == (0.25, 1.0, 0.0)
    # What drives it is heard in the same sound, which grows louder.
    driven = Audio(AudioConditionSettings(encoder=encoder, strength="loudness"))
    envelope = driven.condition(driven.prepare(silent.with_sound(sound(0.5)), moments), backbone).envelope
    assert (envelope.diff() > 0).all()
    # Where the job follows a sound, so does the strength.
    followed = Moments(4, Fraction(8), {"loudness": [1.0, 0.5, 0.5, 0.0]})
    envelope = driven.condition(driven.prepare(silent.with_sound(sound(0.5)), followed), backbone).envelope
    assert envelope.tolist() == [GUIDANCE_SHARE, GUIDANCE_SHARE / 2, GUIDANCE_SHARE / 2, 0]


def test_a_file_is_heard_without_a_clip(backbone: Backbone, encoder: Path, tmp_path: Path) -> None:
    moments = Moments(4, Fraction(8))
    with pytest.raises(MediaError, match="there is no sound; name a file"):
        Audio(AudioConditionSettings(encoder=encoder)).prepare(None, moments)
    silent = Clip(torch.zeros(4, 3, 8, 8), Fraction(8)).with_sound(sound(0.5))
    silent.save(tmp_path / "heard.mp4")
    audio = Audio(AudioConditionSettings(encoder=encoder, file=tmp_path / "heard.mp4"))
    assert audio.condition(audio.prepare(None, moments), backbone).envelope.tolist() == [GUIDANCE_SHARE] * 4


def test_an_encoder_of_this_model(backbone: Backbone, tmp_path: Path) -> None:
    listened = TimedSound(Moments(4, Fraction(8)), sound(1))
    assert model_sound_encoder(backbone) is None
    with pytest.raises(WeightsError, match="brings no sound encoder"):
        Audio().condition(listened, backbone)
    backbone.notes = ModelNotes(sound_encoder="ear.safetensors")
    with pytest.raises(WeightsError, match=r"names the sound encoder ear\.safetensors, which is not there"):
        model_sound_encoder(backbone)
    backbone.folder = tmp_path
    (tmp_path / "ear.safetensors").touch()
    assert model_sound_encoder(backbone) == tmp_path / "ear.safetensors"
    other = tmp_path / "other.safetensors"
    encoder_for(7, 24).save(other)
    with pytest.raises(WeightsError, match="trained for a text encoder of 7 tokens of 24 numbers"):
        Audio(AudioConditionSettings(encoder=other)).condition(listened, backbone)
