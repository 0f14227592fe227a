"""A clip from words, and from what is heard, with a small model."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from tests.conftest import Ran
from vedit.backbone import Backbone, load_backbone
from vedit.backbone.prompts import tokens_of
from vedit.clip import probe, read_clip
from vedit.conditioners.sound_encoder import SoundConfig, SoundEncoder
from vedit.config import GenerateConfig
from vedit.errors import ConfigError, VeditWarning, WeightsError
from vedit.pipelines import hearing, wording
from vedit.pipelines.generate import generate
from vedit.settling import Layer, settle

Command = Callable[..., Ran]

RATE = 8000


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of clicks, two in a second, the later ones louder."""
    samples = np.zeros(3 * RATE, np.float32)
    for beat in range(6):
        first = beat * RATE // 2 + 500  # inside of a frame, not at its edge
        samples[first : first + 200] = (0.2 + 0.15 * beat) * np.sin(np.arange(200)) * np.exp(-np.arange(200) / 60)
    path = tmp_path_factory.mktemp("sounds") / "song.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


def asked(prompt: str = "a cat", **settings: object) -> GenerateConfig:
    return settle(GenerateConfig, Layer({"prompt": prompt, **settings}))


def test_a_clip_of_the_sounds_length_and_with_it(
    vedit: Command, toy_model: Path, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = vedit("generate", "a cat", "--audio", song, "--model", toy_model, "--steps", 2, "--sheet", "sheet.png")
    assert ran.status == 0, ran.err
    assert {path.name for path in tmp_path.iterdir()} == {"generated.mp4", "generated.yaml", "sheet.png"}
    made = probe("generated.mp4")
    assert (made.frames, made.rate, made.has_sound) == (24, 8, True)
    sound = read_clip("generated.mp4").audio
    assert sound is not None
    assert abs(sound.duration - 3) < 1 / 8
    again = vedit("rerun", "generated.yaml", "-o", "again.mp4")
    assert again.status == 0, again.err
    assert Path("again.mp4").read_bytes() == Path("generated.mp4").read_bytes()
    assert yaml.safe_load(Path("again.yaml").read_text())["command"] == "generate"


def test_without_a_sound_it_is_silent_and_as_asked(
    vedit: Command, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ("--frames", 3, "--rate", 12.5, "--width", 24, "--height", 16, "--prior", "walk", "--guidance", "0:1, 2:5")
    ran = vedit("generate", "a cat", "--model", toy_model, "--steps", 2, *flags, "-o", "o.mp4")
    assert ran.status == 0, ran.err
    made = probe("o.mp4")
    assert (made.frames, float(made.rate), made.size, made.has_sound) == (3, 12.5, (16, 24), False)
    assert "o.mp4 exists already" in vedit("generate", "a cat", "-o", "o.mp4").complaint
    tried = vedit("generate", "a cat", "--model", toy_model, *flags, "-o", "p.mp4", "--dry-run")
    assert "worked" not in tried.out
    assert "50 x" in tried.out
    assert not Path("p.mp4").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--prior", "inversion"], "starts from a clip"),
        (["--prior", "flow_warped"], "starts from a clip"),
        (["--attention", "flow"], "follows a clip's motion"),
        (["--audio", "no-such.wav"], "no-such.wav does not exist"),
        (["--emphasis", "rain"], "expected WORD=TIMELINE"),
        (["--then", "snow"], "expected TIME:PROMPT"),
        (["--then", "2x:snow"], "time"),
        (["--guidance", "loudness"], "needs loudness, and no sound says them"),
        (["--guidance", "lowdness"], "did you mean 'loudness'"),
        (["--walk", "2"], "expected 0..1"),
        (["--emphasis", "dog=2"], "does not say 'dog'"),
        (["--then", "4b:snow"], "counts beats"),
        (["--then", "3s:a dog", "--then", "2s:a fox"], "not in the order of their times"),
    ],
)
def test_what_cannot_be_is_one_line(
    vedit: Command, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = vedit("generate", "a cat", "--model", toy_model, "--steps", 2, "--frames", 2, *flags)
    assert said in ran.complaint
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def hearing_model(toy_model: Path, tmp_path: Path) -> Path:
    """The small model with a sound encoder in its folder."""
    folder = tmp_path / "hearing"
    shutil.copytree(toy_model, folder)
    backbone = load_backbone(toy_model, device="cpu")
    torch.manual_seed(0)
    sizes = {"channels": 8, "state": 16, "hidden": 32}
    width = backbone.unet.config.cross_attention_dim
    encoder = SoundEncoder(SoundConfig(tokens=backbone.tokenizer.model_max_length, width=width, **sizes))
    encoder.filters += torch.rand(encoder.filters.shape) / 100
    encoder.save(folder / "ear.safetensors")
    (folder / "vedit.json").write_text('{"sound_encoder": "ear.safetensors"}')
    return folder


def test_a_model_that_hears_shows_what_it_hears(
    vedit: Command, hearing_model: Path, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def made(name: str, *flags: object) -> torch.Tensor:
        flags = ("--audio", song, "--model", hearing_model, "--steps", 3, "--frames", 6, "-o", name, *flags)
        ran = vedit("generate", *flags)
        assert ran.status == 0, ran.err
        assert "nothing else follows the sound" not in ran.err
        return read_clip(name).frames

    default, off = made("one.mp4", "a cat"), made("two.mp4", "a cat", "--hear", "0")
    assert (default - off).abs().max() > 0.05
    # An empty prompt leaves all to the sound, and what is seen changes with it.
    alone, nothing = made("three.mp4", ""), made("four.mp4", "", "--hear", "0")
    assert (alone - nothing).abs().max() > 0.05
    assert vedit("rerun", "one.yaml", "-o", "five.mp4").status == 0
    assert Path("five.mp4").read_bytes() == Path("one.mp4").read_bytes()
    dry = vedit("generate", "a cat", "--audio", song, "--model", hearing_model, "--dry-run")
    assert dry.status == 0
    assert "hear needs audio" in vedit("generate", "a cat", "--model", hearing_model, "--hear", "1").complaint


def test_frames_hear_their_own_moments(hearing_model: Path, song: Path) -> None:
    backbone = load_backbone(hearing_model, device="cpu")

    def made(**settings: object) -> torch.Tensor:
        config = asked("", audio=str(song), steps=3, attention="per_frame", **settings)
        return generate(config, backbone, hearing.follow(config, 6, Fraction(8))).clip.frames

    heard, silent = made(), made(hear=0)
    assert (heard[5] - heard[0]).abs().max() > 100 * (silent[5] - silent[0]).abs().max()


def test_a_model_that_hears_nothing_says_so(backbone: Backbone, song: Path) -> None:
    def conditions(**settings: object) -> tuple[object, ...]:
        config = asked(audio=str(song), **settings)
        return hearing.conditions(config, backbone, hearing.follow(config, 4, Fraction(8)))

    with pytest.warns(VeditWarning, match="nothing else follows the sound"):
        assert conditions() == ()
    for follows in ({"guidance": "1+loudness"}, {"emphasis": ["cat=1+bass"]}, {"then": ["2b:a dog"]}, {"hear": 0}):
        assert conditions(**follows) == ()
    with pytest.raises(WeightsError, match="brings no sound encoder"):
        conditions(hear=1)


def test_a_sound_shorter_than_the_clip_is_followed_by_silence(song: Path) -> None:
    followed = hearing.follow(asked(audio=str(song), audio_start=1), 24, Fraction(8))
    assert followed.audio is not None
    assert followed.audio.samples.shape[1] == 3 * RATE
    assert not followed.audio.samples[:, 2 * RATE :].any()
    assert followed.source is None  # a copy would be too short
    assert hearing.follow(asked(audio=str(song), audio_start=1), 16, Fraction(8)).source is not None


def test_too_late_a_beginning_is_told(song: Path) -> None:
    with pytest.raises(ConfigError, match=r"lasts 3\.00 s; begin earlier"):
        hearing.follow(asked(audio=str(song), audio_start=3.5), 4, 8)


def test_the_prompt_goes_on_by_time_or_by_what_is_heard(backbone: Backbone, song: Path) -> None:
    one, other = backbone.embed(["a cat"])[0], backbone.embed(["a red dog"])[0]

    def shares(**settings: object) -> list[float]:
        config = asked(then=["8:a red dog"], **settings)
        followed = hearing.follow(config, 12, 8)
        states = hearing.guider(config, backbone, followed, one[None], one[None]).text[1]
        return [float(((each - one) * (other - one)).sum() / (other - one).square().sum()) for each in states]

    assert shares() == pytest.approx([min(1, frame / 8) for frame in range(12)], abs=1e-4)
    heard = shares(audio=str(song), blend="onset", release=0.0)
    assert heard == pytest.approx([0, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1, 1, 1, 1], abs=1e-4)


def test_a_word_counts_more_or_less(backbone: Backbone) -> None:
    """With 0 the tokens after a word say what they say without it; with 1 nothing is changed."""
    where = tokens_of(backbone.tokenizer, "a red cat", "red")
    whole = backbone.embed(["a red cat"])
    without = backbone.embed(["a red cat"], [where])
    assert torch.equal(whole[:, : where[0]], without[:, : where[0]])
    assert not torch.equal(whole[:, where[-1] + 1 :], without[:, where[-1] + 1 :])
    config = asked("a red cat", emphasis=["red=0:0, 2:2"], guidance=1)
    guider = hearing.guider(config, backbone, hearing.follow(config, 4, 8), whole, whole)
    text, weights = guider.text[0], guider.emphasis
    assert weights is not None
    assert weights[0, :, where[0]].tolist() == [0, 1, 2, 2]
    after = where[-1] + 1
    assert weights[0, :, after:].eq(1).all()
    torch.testing.assert_close(text[0, after:], without[0, after:])
    torch.testing.assert_close(text[1], whole[0])
    torch.testing.assert_close(text[2, after:], 2 * whole[0, after:] - without[0, after:])
    torch.testing.assert_close(text[:, where], whole[:, where].expand(4, -1, -1))


def test_a_word_counts_in_the_prompts_that_say_it(backbone: Backbone) -> None:
    config = asked("a cat", then=["2:a red cat"], emphasis=["red=3"])
    text, weights = wording.in_frames(config, backbone, hearing.follow(config, 4, 8).moments, lambda frames: None)
    place = tokens_of(backbone.tokenizer, "a red cat", "red")[0]
    assert weights is not None
    assert weights[:, place].tolist() == [1, 2, 3, 3]
    torch.testing.assert_close(text[0, 0], backbone.embed(["a cat"])[0])


def test_a_longer_clip_begins_the_same(backbone: Backbone, song: Path) -> None:
    config = asked(
        audio=str(song),
        then=["20:a red dog"],
        blend="0.1 + loudness / 2",
        emphasis=["cat=1+loudness"],
        guidance="1+5*bass",
    )
    words = backbone.embed(["a cat", ""]).split(1)
    short, long = (hearing.guider(config, backbone, hearing.follow(config, frames, 8), *words) for frames in (8, 16))
    assert torch.equal(short.text[1], long.text[1, :8])
    assert short.emphasis is not None
    assert long.emphasis is not None
    assert torch.equal(short.emphasis, long.emphasis[:, :8])
    assert short.scale == long.scale[:8]
