"""Parts of another package, really installed: found by their entry points, and used by the command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.conftest import Ran
from vedit import registry
from vedit.adapters.loading import load_backbone
from vedit.clip import read_clip
from vedit.conditioners import CONDITIONERS
from vedit.jobs import jobs
from vedit.prompt import Prompt
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.guiders import ClassifierFree
from vedit.timeline import Moments

Command = Callable[..., Ran]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages in which the toy one is installed."""
    source = shutil.copytree(Path(__file__).with_name("toy_plugin"), tmp_path_factory.mktemp("source") / "toy_plugin")
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


@pytest.fixture(autouse=True)
def _installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(site))
    caches = registry._third_party, jobs
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


def test_its_parts_are_shown(vedit: Command) -> None:
    shown = vedit("parts").out
    assert "toy_negative" in shown
    assert "toy_plugin.parts:Ramp" in shown


def test_its_annotator_is_one_like_ours(vedit: Command, toy_clip: Path, tmp_path: Path) -> None:
    given = ("inspect", "toy_negative", toy_clip, "-o", tmp_path / "o")
    done = vedit(*given)
    assert done.status == 0, done.err
    turned, source = read_clip(tmp_path / "o").frames, read_clip(toy_clip).frames
    assert (turned - (1 - source)).abs().max() < 0.01
    assert "strength" in vedit(*given, "--overwrite", "--set", "strength=2").complaint


def test_its_conditioner_steers_an_edit(vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path) -> None:
    def edited(name: str, *more: object) -> Tensor:
        settings = ("--model", toy_model, "--steps", 2, "--device", "cpu", "--prior", "gaussian", "--frames", 3)
        done = vedit("edit", toy_clip, "a cat", *settings, "--strength", 1, "-o", tmp_path / name, *more)
        assert done.status == 0, done.err
        return read_clip(tmp_path / name).frames

    change = (edited("plain") - edited("steered", "--condition", "toy_ramp:strength=100")).abs().amax((1, 2, 3))
    assert change[0] == 0
    assert change[2] > 0.002
    assert (
        "did you mean 'strength'"
        in vedit(
            "edit", toy_clip, "a cat", "--condition", "toy_ramp:strenth=1", "--model", toy_model, "-o", tmp_path / "no"
        ).complaint
    )


def test_its_own_entrance_follows_the_sound(toy_model: Path) -> None:
    """A conditioner without a clip, and a way into the prediction that vedit does not know."""
    backbone = load_backbone(toy_model, device="cpu")
    moments = Moments(3, Fraction(8), {"loudness": [0.0, 0.5, 1.0]})
    fading = CONDITIONERS.make("toy_fade", {"strength": "loudness"})
    fades = fading.condition(fading.prepare(None, moments), backbone)
    assert fades.envelope.tolist() == [0, 0.5, 1]

    words, none = backbone.embed(["a cat"]), backbone.embed([""])
    x, schedule = noise(0, 3, (4, 8, 8)), backbone.schedule(2)
    faded, prompted, unprompted = (
        denoise(backbone, x, schedule, ClassifierFree(Prompt(prompt), Prompt(none), 5.0), conditions=each)
        for prompt, each in ((words, [fades]), (words, []), (none, []))
    )
    torch.testing.assert_close(faded[0], prompted[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(faded[2], unprompted[2], atol=1e-4, rtol=1e-4)
    assert all((faded[1] - other[1]).abs().max() > 1e-3 for other in (prompted, unprompted))


@pytest.mark.parametrize("job", ["edit", "generate"])
def test_its_strength_follows_the_sound_in_every_job(
    vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path, job: str
) -> None:
    def made(strength: str, *more: object) -> Ran:
        settings = ("--model", toy_model, "--steps", 2, "--device", "cpu", "--prior", "gaussian", "--frames", 3)
        fade = ("--condition", f"toy_fade:strength={strength}")
        clip = (toy_clip,) if job == "edit" else ("--fps", "29.97")
        return vedit(job, *clip, "a cat", *settings, *fade, "-o", tmp_path / strength, *more)

    assert "needs loudness, and there is no sound" in made("loudness").complaint
    followed = made("loudness", "--audio", toy_clip)
    assert followed.status == 0, followed.err
    assert "nothing else follows the sound" not in followed.err
    plain = made("0", "--audio", toy_clip)
    assert plain.status == 0, plain.err
    assert "nothing else follows the sound" in plain.err
    assert (read_clip(tmp_path / "loudness").frames - read_clip(tmp_path / "0").frames).abs().max() > 0.002


def test_its_job_is_a_command(vedit: Command, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "backwards" in vedit("--help").out
    assert "How often it is turned" in vedit("backwards", "--help").out
    ran = vedit("backwards", toy_clip, "--frames", 3, "-o", "turned")
    assert (ran.status, ran.out) == (0, "3 frames turned\n"), ran.err
    turned, source = read_clip(Path("turned")).frames, read_clip(toy_clip, frames=3).frames
    assert (turned - source.flip(0)).abs().max() < 0.01
    assert "out of range; expected 1..9" in vedit("backwards", toy_clip, "--times", 10).complaint
    assert "turned exists already" in vedit("backwards", toy_clip, "-o", "turned").complaint


def test_a_job_that_cannot_be_imported_leaves_the_others(
    vedit: Command, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = shutil.copytree(site, tmp_path / "broken")
    (broken / "toy_plugin" / "jobs.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(str(broken))
    for name in [each for each in sys.modules if each.partition(".")[0] == "toy_plugin"]:
        monkeypatch.delitem(sys.modules, name)
    ran = vedit("--help")
    assert ran.status == 0
    assert "edit" in ran.out
    assert "the plug-in 'backwards' (toy_plugin.jobs:BACKWARDS) of jobs failed to load" in ran.err
