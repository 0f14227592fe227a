"""A clip from words, and from what is heard, with a small model."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

from tests.clip.test_audio_file import beep, write
from tests.conftest import Ran
from vedit.adapters.loading import load_backbone
from vedit.clip import Clip, probe, read_clip
from vedit.errors import ConfigError, MediaError, WeightsError
from vedit.jobs.generate import generate
from vedit.sampling.fifo import passes

Command = Callable[..., Ran]


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


def test_the_sheet_shows_the_beats_where_something_follows_them(
    vedit: Command, toy_model: Path, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    common = ("generate", "a cat", "--audio", song, "--model", toy_model, "--steps", 1)
    heights = []
    for name, follows in (("none", "loudness"), ("beats", "beat")):
        followed = ("--emphasis", f"cat=0.5+{follows}", "-o", f"{name}.gif", "--sheet", f"{name}.png")
        assert vedit(*common, *followed).status == 0
        with Image.open(f"{name}.png") as sheet:
            heights.append(sheet.height)
    assert heights[1] > 2.5 * heights[0], "three rows"


def test_without_a_sound_it_is_silent_and_as_asked(
    vedit: Command, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ("--frames", 3, "--fps", 12.5, "--width", 24, "--height", 16, "--prior", "walk", "--guidance", "0:1, 2:5")
    ran = vedit("generate", "a cat", "--model", toy_model, "--steps", 2, *flags, "-o", "o.mp4")
    assert ran.status == 0, ran.err
    made = probe("o.mp4")
    assert (made.frames, float(made.rate), made.size, made.has_sound) == (3, 12.5, (16, 24), False)
    assert "o.mp4 exists already" in vedit("generate", "a cat", "-o", "o.mp4").complaint
    tried = vedit("generate", "a cat", "--model", toy_model, *flags, "-o", "p.mp4", "--dry-run")
    assert "worked" not in tried.out
    assert "50 x" in tried.out
    assert not Path("p.mp4").exists()


def test_from_python_nothing_is_written_unless_asked_for(
    toy_model: Path, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    backbone = load_backbone(toy_model)
    made = generate(backbone, "a cat", audio=song, frames=4, steps=1, emphasis=["cat=loudness"])
    assert (len(made.clip), made.files) == (4, ())
    assert made.clip.audio is not None
    assert list(tmp_path.iterdir()) == []
    kept = generate(backbone, "a cat", frames=2, steps=1, output="o.mp4", sheet="o.png")
    assert [path.name for path in kept.files] == ["o.mp4", "o.yaml", "o.png"]
    with pytest.raises(ConfigError, match="device: the backbone is loaded already"):
        generate(backbone, "a cat", device="cpu")
    with pytest.raises(MediaError, match="exists already"):
        generate(backbone, "a cat", output="o.mp4")


def test_a_models_notes_say_what_suits_it_and_what_is_given_wins(toy_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(toy_model, tmp_path / "model"))
    notes = {"guidance": 3, "guidance_interval": "0-0.5", "steps": 4, "sampler": "ddim"}
    (model / "vedit.json").write_text(json.dumps({"generate": notes}))
    made = generate(model, "a cat", frames=2, steps=2).config
    assert (made.guidance, made.guidance_interval, made.steps, made.sampler) == (3, "0-0.5", 2, "ddim")
    queued = generate(model, "a cat", frames=2, fifo=True, window=2, steps=4).config
    assert (queued.guidance, queued.guidance_interval, queued.sampler) == (3, "0-1", "ddim")
    (model / "vedit.json").write_text(json.dumps({"generate": {"guidance": "much"}}))
    with pytest.raises(WeightsError, match=r"vedit.json: generate"):
        generate(model, "a cat", frames=2, steps=1)


def test_a_dry_run_tells_the_settings_that_are_taken(vedit: Command, toy_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(toy_model, tmp_path / "model"))
    (model / "vedit.json").write_text(json.dumps({"generate": {"guidance": 3.5}}))
    told = vedit("generate", "a cat", "--model", model, "--frames", 2, "--steps", 2, "--dry-run").out
    assert ["guidance", "3.5"] in [line.split() for line in told.splitlines()]


def test_the_size_that_is_made_is_told_where_it_is_another(vedit: Command, toy_model: Path, tmp_path: Path) -> None:
    asked = ("generate", "a cat", "--model", toy_model, "--frames", 2, "--steps", 1, "-o", tmp_path / "a.gif")
    ran = vedit(*asked, "--width", 70, "--height", 33, "--dry-run")
    assert "in steps of 8 pixels, so this one is 72x32" in ran.err
    assert "in steps of" not in vedit(*asked, "--width", 72, "--height", 32, "--dry-run").err


def test_an_adapter_counts(vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "dog.safetensors"
    flags = ("--prompt", "a dog", "--model", toy_model, "--learning-rate", 0.1, "--steps", 2, "-o", adapter)
    assert vedit("tune", toy_clip, *flags).status == 0

    def made(**settings: object) -> torch.Tensor:
        return generate(load_backbone(toy_model), "a dog", frames=3, steps=1, **settings).clip.frames

    assert (made(adapter=adapter) - made()).abs().max() > 0.01
    quick = ("--model", toy_model, "--adapter", adapter, "--frames", 3, "--steps", 1)
    assert vedit("generate", "a dog", *quick, "-o", tmp_path / "o.mp4").status == 0
    again = vedit("rerun", tmp_path / "o.yaml", "-o", tmp_path / "again.mp4")
    assert "is not the model" not in again.err
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "o.mp4").read_bytes()


def test_what_is_wrong_with_samples_is_told_once(vedit: Command, toy_model: Path, tmp_path: Path) -> None:
    wave = beep(1.0)
    wave[0, 5] = float("nan")
    sound = write(tmp_path / "a.wav", wave, codec="pcm_f32le")
    flags = (
        "--audio",
        sound,
        "--prompt-at",
        "9s:a dog",
        "--prompt-blend",
        "loudness",
        "--steps",
        1,
        "-o",
        tmp_path / "o.mp4",
    )
    ran = vedit("generate", "a cat", "--model", toy_model, *flags)
    assert ran.status == 0, ran.err
    assert ran.err.count("1 samples are no numbers") == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--prior", "inversion"], "starts from a clip"),
        (["--prior", "flow_warped"], "starts from a clip"),
        (["--loop", "--prior", "walk"], "noise that wanders does not come back"),
        (["--loop", "--fifo"], "fifo and loop exclude each other"),
        (["--attention", "flow"], "follows a clip's motion"),
        (["--audio", "no-such.wav"], "no-such.wav does not exist"),
        (["--emphasis", "rain"], "expected WORD=TIMELINE"),
        (["--prompt-at", "snow"], "expected TIME:PROMPT"),
        (["--prompt-at", "2x:snow"], "time"),
        (["--guidance", "loudness"], "needs loudness, and there is no sound"),
        (["--guidance", "lowdness"], "did you mean 'loudness'"),
        (["--noise-walk", "2"], "expected 0..1"),
        (["--noise-walk", "0.5"], "the prior shared does not wander; use --prior walk"),
        (["--prompt-blend", "0.5"], "prompt_blend needs prompt_at"),
        (["--audio-release", "1", "--audio-duration", "2"], "release needs audio"),
        (["--fps", "1e-9"], "expected 0.1..240"),
        (["--frames", "1000000"], "out of range; expected 1..100000"),
        (["--audio", "SONG", "--frames", "40000"], "expected at most 3,600 s with a sound"),
        (["--audio", "SONG", "--audio-start", "9"], "lasts 3.00 s; begin earlier"),
        (["--audio", "SONG", "--sound-encoder", "."], ". is a folder; expected a sound encoder"),
        (["--audio", "http://example.com/a.mp3"], "is an address"),
        (["--guidance", "1/f"], "no value in frame 0"),
        (["--prompt-at", "0:snow"], "the first after the clip's beginning"),
        (["--prompt-at", ":snow"], "expected frames (12), seconds (2s), beats (8b) or a shot (shot2)"),
        (["--prompt-at", "shot2:snow"], "has no shots, so no shot2; give a time, such as 2s"),
        (["--motion-scale", "0:1, 3:0"], "no temporal layers"),
        (["--emphasis", "dog=2"], "does not say 'dog'"),
        (["--prompt-at", "4b:snow"], "counts beats"),
        (["--prompt-at", "3s:a dog", "--prompt-at", "2s:a fox"], "not in the order of their times"),
    ],
)
def test_what_cannot_be_is_one_line(
    vedit: Command,
    toy_model: Path,
    song: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("--model", toy_model, "--steps", 2, "--frames", 2, *(song if each == "SONG" else each for each in flags))
    ran = vedit("generate", "a cat", *given)
    assert said in ran.complaint
    assert list(tmp_path.iterdir()) == []
    if "--motion-scale" not in flags:  # the model is not looked at
        assert said in vedit("generate", "a cat", *given, "--dry-run").complaint


def test_drawn_pictures_steer_what_is_made(tmp_path: Path) -> None:
    """The miniature's net for edges, shown the outline of a circle at the left or at the right."""

    def made(left: int) -> Tensor:
        ring = torch.zeros(3, 128, 128)
        down, across = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
        ring[:, ((down - 64) ** 2 + (across - left) ** 2).sqrt().sub(20).abs() < 1] = 1
        Clip(ring[None], Fraction(8)).save(tmp_path / f"{left}")
        drawn = next((tmp_path / f"{left}").glob("*.png"))
        settings = {"frames": 1, "steps": 8, "device": "cpu", "control": [f"edge:1:{drawn}"]}
        return generate("mini", "a blue circle over sand", **settings).clip.frames[0]

    blue = [frame[2] - frame[0] for frame in map(made, (36, 92))]
    assert blue[0][:, 26:46].mean() > blue[0][:, 82:102].mean() + 0.2
    assert blue[1][:, 82:102].mean() > blue[1][:, 26:46].mean() + 0.2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("--control", "edge"), "control edge has no clip to look at; name what is drawn, as edge:1:FILE"),
        (("--control", "edge:1:no.png"), "no.png does not exist"),
        (("--condition", "control:kind=edge"), "condition control looks at a clip"),
        (("--condition", "audio"), "there is no sound; name a file with audio:file=FILE"),
    ],
)
def test_conditions_that_need_a_clip_are_told(
    vedit: Command, toy_model: Path, tmp_path: Path, settings: tuple[str, str], said: str
) -> None:
    given = ("generate", "a cat", "--model", toy_model, "--frames", 2, "--steps", 1, "-o", tmp_path / "o.mp4")
    assert said in vedit(*given, *settings).complaint
    assert list(tmp_path.iterdir()) == []


def test_a_long_clip_comes_from_a_queue(vedit: Command, toy_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.mp4"
    flags = ("--model", toy_model, "--frames", 7, "--fifo", "--window", 4, "--steps", 5, "--seed", 3)
    ran = vedit("generate", "a cat", *flags, "-o", out)
    assert ran.status == 0, ran.err
    assert "four times --window" in ran.err
    settings = yaml.safe_load(out.with_suffix(".yaml").read_text())
    assert (settings["fifo"], settings["prior"], settings["steps"]) == (True, "gaussian", 5)
    again = vedit("rerun", out.with_suffix(".yaml"), "-o", tmp_path / "again.mp4")
    assert again.status == 0, again.err
    assert (tmp_path / "again.mp4").read_bytes() == out.read_bytes()


def test_it_is_foretold_how_often_a_queue_is_seen(vedit: Command, toy_model: Path) -> None:
    flags = ("--model", toy_model, "--frames", 40, "--fifo", "--window", 4, "--steps", 16)
    told = vedit("generate", "a cat", *flags, "--dry-run").out
    assert "seen at once  4 frames" in told
    found = re.search(r"denoising steps +(\d+) x", told)
    assert found, told
    assert 4 * int(found[1]) == pytest.approx(passes(40, 16, 4), rel=0.05)


def test_a_clip_begins_and_ends_with_pictures(vedit: Command, toy_model: Path, tmp_path: Path) -> None:
    pictures = torch.stack([torch.linspace(0, 1, 64).expand(3, 48, 64), torch.linspace(1, 0, 64).expand(3, 48, 64)])
    Clip(pictures, Fraction(8)).save(tmp_path / "ends")
    first, last = (tmp_path / "ends" / f"0000{index}.png" for index in (0, 1))
    common = ("generate", "a cat", "--model", toy_model, "--frames", 4, "--steps", 3)
    made = {}
    for name, flags in {"both": ("--first", first, "--last", last), "one": ("--first", first)}.items():
        ran = vedit(*common, *flags, "-o", tmp_path / name)
        assert ran.status == 0, ran.err
        made[name] = read_clip(tmp_path / name).frames
        assert made[name].shape == (4, 3, 48, 64)
        assert (made[name][0] - pictures[0]).abs().max() < 1 / 200
    assert (made["both"][3] - pictures[1]).abs().max() < 1 / 200
    assert (made["one"][3] - pictures[1]).abs().mean() > 0.05
    assert not torch.equal(made["both"][1], made["one"][1]), "all frames look at the last one too"
    for flags, said in {
        ("--last", last, "--frames", 1): "last: a clip that ends with a picture has 2 frames or more",
        ("--first", first, "--width", 64, "--height", 64): "is 64x48, and the clip is to be 64x64",
        ("--first", first, "--fifo"): "fifo and pictures of its ends exclude each other",
        ("--last", tmp_path / "no.png"): "no.png does not exist",
    }.items():
        assert said in vedit(*common, *flags, "-o", tmp_path / "none.mp4").complaint


def test_a_loop_is_made_and_repeats(toy_model: Path) -> None:
    backbone = load_backbone(toy_model, device="cpu")
    settings = {"frames": 5, "steps": 3, "prior": "gaussian"}
    loop = generate(backbone, "a cat", loop=True, **settings).clip.frames
    assert torch.equal(loop, generate(backbone, "a cat", loop=True, **settings).clip.frames)
    assert not torch.equal(loop, generate(backbone, "a cat", **settings).clip.frames)
    windows = {"window": 4, "overlap": 2}
    assert generate(backbone, "a cat", loop=True, **settings, **windows).clip.frames.shape == loop.shape
