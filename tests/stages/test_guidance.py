"""What a clip makes of the sound that it follows, whatever sound that is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from tests.clip.making import make_video
from tests.clip.test_audio_file import beep, write
from tests.conftest import Ran
from tests.jobs.conftest import SONG_RATE
from tests.stages.guiding import guider_of
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.temporal import temporal_layers
from vedit.clip import read_clip
from vedit.condition import Condition
from vedit.config import GenerateConfig
from vedit.config.merge import Layer, merge
from vedit.entrances.tokens import Tokens
from vedit.errors import ConfigError, VeditWarning, WeightsError
from vedit.graph import Run
from vedit.jobs import guidance
from vedit.jobs.generate import generate
from vedit.session import Session
from vedit.stages import soundtrack

Command = Callable[..., Ran]


def sound_conditions(config: GenerateConfig, backbone: Backbone, track: soundtrack.Soundtrack) -> tuple[Condition, ...]:
    session = Session()
    model = session.hold(backbone)
    return tuple(each for some in guidance.sound_tokens(config, model, track) for each in Run(session)(some))


def asked(prompt: str = "a cat", **settings: object) -> GenerateConfig:
    return merge(GenerateConfig, Layer({"prompt": prompt, **settings}))


def test_a_model_that_hears_shows_what_it_hears(
    vedit: Command, hearing_model: Path, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def made(name: str, *flags: object) -> torch.Tensor:
        flags = ("--audio", song, "--model", hearing_model, "--steps", 3, "--frames", 6, "-o", name, *flags)
        ran = vedit("generate", *flags)
        assert ran.status == 0, ran.err
        assert "nothing else follows the sound" not in ran.err
        assert ran.err.count("hint: the sound also says") == (name == "one.mp4")
        return read_clip(name).frames

    default, off = made("one.mp4", "a cat"), made("two.mp4", "a cat", "--audio-scale", "0")
    assert (default - off).abs().max() > 0.05
    # An empty prompt leaves all to the sound, and what is seen changes with it.
    alone, nothing = made("three.mp4", ""), made("four.mp4", "", "--audio-scale", "0")
    assert (alone - nothing).abs().max() > 0.05
    assert vedit("rerun", "one.yaml", "-o", "five.mp4").status == 0
    assert Path("five.mp4").read_bytes() == Path("one.mp4").read_bytes()
    dry = vedit("generate", "a cat", "--audio", song, "--model", hearing_model, "--dry-run")
    assert dry.status == 0
    assert dry.err.count("hint: the sound also says what is to be seen; --audio-scale 0") == 1
    assert (
        "audio_scale needs audio"
        in vedit("generate", "a cat", "--model", hearing_model, "--audio-scale", "1").complaint
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, True),
        ({"prompt": "", "guidance": "1+5*loudness"}, True),
        ({"prompt": "", "emphasis": []}, False),
        ({"audio_scale": 0}, False),
        ({"audio_scale": 1}, False),
        ({"sound_encoder": "ear.safetensors"}, False),
        ({"audio": None}, False),
    ],
)
def test_a_sound_that_says_more_than_numbers_is_told(settings: dict[str, object], told: bool) -> None:
    config = merge(GenerateConfig, Layer({"prompt": "a cat", "audio": "song.wav", **settings}))
    with warnings.catch_warnings(record=True, action="always") as given:
        guidance.hint_at_sound_encoder(config, "ear.safetensors")
        guidance.hint_at_sound_encoder(config, "")  # a model that does not hear
    assert ["--audio-scale 0" in str(each.message) for each in given] == [True] * told


def test_frames_hear_their_own_moments(hearing_model: Path, song: Path) -> None:
    backbone = load_backbone(hearing_model, device="cpu")

    def made(**settings: object) -> torch.Tensor:
        given = {"audio": song, "frames": 6, "steps": 3, "attention": "per_frame", "sampler": "ddim", **settings}
        return generate(backbone, "", **given).clip.frames

    heard, silent = made(), made(audio_scale=0)
    assert (heard[5] - heard[0]).abs().max() > 100 * (silent[5] - silent[0]).abs().max()


def test_a_model_that_hears_nothing_says_so(backbone: Backbone, song: Path) -> None:
    def conditions(**settings: object) -> tuple[object, ...]:
        config = asked(audio=str(song), **settings)
        return sound_conditions(config, backbone, soundtrack.prepare(config, 4, Fraction(8)))

    with pytest.warns(VeditWarning, match="nothing else follows the sound"):
        assert conditions() == ()
    for follows in (
        {"guidance": "1+loudness"},
        {"emphasis": ["cat=1+bass"]},
        {"prompt_at": ["2b:a dog"]},
        {"audio_scale": 0},
    ):
        assert conditions(**follows) == ()
    with pytest.raises(WeightsError, match="brings no sound encoder"):
        conditions(audio_scale=1)


def test_an_encoder_that_is_gone_is_missed_only_where_it_is_needed(hearing_model: Path, song: Path) -> None:
    backbone = load_backbone(hearing_model, device="cpu")
    assert backbone.folder is not None
    (own,) = backbone.folder.glob("*.safetensors")
    other = own.rename(own.with_name("moved.safetensors"))

    def conditions(**settings: object) -> tuple[object, ...]:
        config = asked(audio=str(song), **settings)
        return sound_conditions(config, backbone, soundtrack.prepare(config, 4, Fraction(8)))

    with pytest.raises(WeightsError, match="which is not there; put it back"):
        conditions()
    assert conditions(audio_scale=0) == ()
    assert len(conditions(sound_encoder=other)) == 1


def test_a_sound_shorter_than_the_clip_is_followed_by_silence(song: Path) -> None:
    followed = soundtrack.prepare(asked(audio=str(song), audio_start=1), 24, Fraction(8))
    assert followed.audio is not None
    assert followed.audio.samples.shape[1] == 3 * SONG_RATE
    assert not followed.audio.samples[:, 2 * SONG_RATE :].any()
    assert followed.origin is None  # a copy would be too short
    assert soundtrack.prepare(asked(audio=str(song), audio_start=1), 16, Fraction(8)).origin is not None


def test_an_excerpt_is_followed_as_the_whole_is_until_it_ends(hearing_model: Path, song: Path) -> None:
    backbone = load_backbone(hearing_model, device="cpu")

    def followed(**settings: object) -> tuple[soundtrack.Soundtrack, torch.Tensor]:
        config = asked("", audio=str(song), audio_start=0.5, audio_release=0, **settings)
        found = soundtrack.prepare(config, 16, Fraction(8))
        (said,) = sound_conditions(config, backbone, found)
        assert isinstance(said.entrance, Tokens)
        return found, said.entrance.text

    (whole, heard), (part, heard_of_part) = followed(), followed(audio_duration=1.2)
    assert whole.audio is not None
    assert part.audio is not None
    assert part.audio.samples.shape == whole.audio.samples.shape
    sounds = round(1.2 * SONG_RATE)
    assert torch.equal(part.audio.samples[:, :sounds], whole.audio.samples[:, :sounds])
    assert not part.audio.samples[:, sounds:].any()
    assert part.origin is None  # a copy would sound on
    assert torch.equal(heard_of_part[:10], heard[:10])
    assert all(torch.equal(each, heard[9]) for each in heard_of_part[10:])
    for name, curve in whole.moments.features.items():
        assert part.moments.features[name] == [*curve[:10], *[0.0] * 6], name
    config = asked(audio=str(song), audio_start=2, audio_duration=5)
    audio = soundtrack.read(config)
    assert audio is not None
    assert soundtrack.frame_count(config, audio, Fraction(8)) == 8  # it lasts three seconds


SOUNDS: dict[str, Callable[[Path], Path]] = {
    "silence": lambda folder: write(folder / "a.wav", torch.zeros(1, 48_000)),
    "one sample": lambda folder: write(folder / "a.wav", torch.full((1, 1), 0.5)),
    "8 kHz mono": lambda folder: write(folder / "a.wav", beep(1.0, 8000, 1), 8000),
    "96 kHz, six channels": lambda folder: write(folder / "a.wav", beep(1.0, 96_000, 6), 96_000),
    "clipped": lambda folder: write(folder / "a.wav", beep() * 40, codec="pcm_f32le"),
    "shorter than the clip": lambda folder: write(folder / "a.flac", beep(0.3, at=0.1)),
    "a video": lambda folder: make_video(folder / "a.mp4", 30, rate=20, sound_at=0.3),
    "m4a": lambda folder: write(folder / "a.m4a", beep()),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_any_sound_is_followed(vedit: Command, hearing_model: Path, tmp_path: Path, kind: str) -> None:
    sound, out = SOUNDS[kind](tmp_path), tmp_path / "o.mp4"
    flags = ("--audio", sound, "--frames", 8, "--emphasis", "cat=1+loudness+percussive+beat", "--steps", 1, "-o", out)
    ran = vedit("generate", "a cat", "--model", hearing_model, *flags)
    assert ran.status == 0, ran.err
    with av.open(str(out)) as made:
        pictures = sum(1 for _ in made.decode(video=0))
    with av.open(str(out)) as made:
        last = list(made.decode(audio=0))[-1]
    assert pictures == 8
    assert last.pts * last.time_base + Fraction(last.samples, last.sample_rate) == pytest.approx(1.0, abs=1 / 8)


def test_samples_that_are_no_numbers_are_told(vedit: Command, hearing_model: Path, tmp_path: Path) -> None:
    wave = beep()
    wave[0, 5] = float("nan")
    sound, out = write(tmp_path / "a.wav", wave, codec="pcm_f32le"), tmp_path / "o.mp4"
    flags = ("--audio", sound, "--frames", 2, "--steps", 1, "-o", out)
    ran = vedit("generate", "a cat", "--model", hearing_model, *flags)
    assert ran.status == 0, ran.err
    assert "1 samples are no numbers" in ran.err


def test_too_late_a_beginning_is_told(song: Path) -> None:
    with pytest.raises(ConfigError, match=r"lasts 3\.00 s; begin earlier"):
        soundtrack.prepare(asked(audio=str(song), audio_start=3.5), 4, 8)


def test_motion_follows_the_sound(backbone: Backbone, song: Path) -> None:
    backbone.layers.attach_temporal()
    for layer in temporal_layers(backbone.unet):
        torch.nn.init.normal_(layer.to_out[0].weight)

    def made(**settings: object) -> torch.Tensor:
        given = {"audio": song, "frames": 4, "audio_scale": 0, "steps": 2, "prior": "gaussian", **settings}
        return generate(backbone, "a cat", **given).clip.frames

    moving, following = made(), made(motion_scale="0:0, 3:1")
    assert (moving - following).abs().max() > 0.01
    backbone.layers.detach_temporal()
    assert torch.allclose(following[0], made()[0], atol=1e-4)


def test_a_longer_clip_begins_the_same(backbone: Backbone, song: Path) -> None:
    config = asked(
        audio=str(song),
        prompt_at=["20:a red dog"],
        prompt_blend="0.1 + loudness / 2",
        emphasis=["cat=1+loudness"],
        guidance="1+5*bass",
    )
    short, long = (guider_of(config, backbone, soundtrack.prepare(config, frames, 8)) for frames in (8, 16))
    few, many = short.prompts, long.prompts
    assert torch.equal(few.states[1], many.states[1, :8])
    assert few.weights is not None
    assert many.weights is not None
    assert torch.equal(few.weights, many.weights[:, :8])
    assert short.scale == long.scale[:8]


def test_a_longer_clip_shows_the_same_first(hearing_model: Path, song: Path) -> None:
    backbone = load_backbone(hearing_model, device="cpu")

    def made(frames: int) -> torch.Tensor:
        driven = {"emphasis": ["cat=1+loudness"], "guidance": "3+3*percussive", "prior": "walk", "noise_walk": "onset"}
        return generate(backbone, "a cat", audio=song, frames=frames, steps=3, audio_scale=1, **driven).clip.frames

    torch.testing.assert_close(made(8), made(16)[:8], atol=1e-3, rtol=0)
