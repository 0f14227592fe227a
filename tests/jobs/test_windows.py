"""Jobs on clips of more frames than the network sees at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

import vedit as package
from tests.conftest import Ran
from tests.jobs.edits import edited
from vedit import seams
from vedit.adapters.loading import ModelSpec
from vedit.backbone import Backbone
from vedit.clip import Clip, read_clip
from vedit.config import AttentionSettings, EditConfig
from vedit.errors import ConfigError, VeditWarning
from vedit.graph import plan
from vedit.jobs import entry_of, windows
from vedit.jobs.base import Given
from vedit.jobs.resources import FRAME, FRAMES_HELD, in_hand, least_memory
from vedit.jobs.windows import CAUTION, settle_windows, windows_of
from vedit.seams import WORST
from vedit.session import Session
from vedit.windows import Windows

Command = Callable[..., Ran]


def keys(clip: Path, model: Path, **settings: object) -> set[str]:
    config = EditConfig.model_validate({"clip": clip, "prompt": "a cat", "model": str(model), "steps": 2, **settings})
    goal = entry_of(config).load().goal(config, Session(), Given())
    return {stage.key for stage in plan(goal.stage).to_make if stage.kept}


def test_an_edit_that_fits_has_the_same_bytes(backbone: Backbone, clip: Clip) -> None:
    whole, fits = edited(backbone, clip), edited(backbone, clip, window=3, overlap=1)
    assert torch.equal(whole.clip.frames, fits.clip.frames)
    assert (fits.config.window, fits.config.overlap) == (3, 1)


def test_results_are_named_by_their_windows(toy_clip: Path, toy_model: Path) -> None:
    whole, fits, cut, other = (
        keys(toy_clip, toy_model, window=window, overlap=overlap)
        for window, overlap in ((None, None), (5, 2), (4, 1), (4, 2))
    )
    assert whole == fits
    assert whole & cut == whole & other != whole
    assert len((cut & other) - whole) == 1, "the flow that seams are measured along"
    assert keys(toy_clip, toy_model, window=4) == cut
    # An inversion is the same whatever the seed, in windows too.
    assert len(keys(toy_clip, toy_model, window=4, seed=7) & cut) > len(whole & cut)


def test_an_edit_in_windows_with_all_that_goes_with_it(
    vedit: Command, toy_clip: Path, toy_model: Path, song: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    ran = vedit(
        "edit", toy_clip, "a cat", "--source-prompt", "a dog", "--model", toy_model, "--steps", 3, "--window", 3,
        "--tune", 2, "--control", "none", "--audio", song, "--emphasis", "cat=1+loudness", "--mask", "word:dog",
        "--guidance", "3+3*loudness", "--attention", "flow", "-o", output,
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert len(read_clip(output)) == 5
    said = yaml.safe_load(output.with_suffix(".yaml").read_text())
    assert said["window"] == 3
    again = tmp_path / "again.mp4"
    assert vedit("rerun", output.with_suffix(".yaml"), "-o", again).status == 0
    assert torch.equal(read_clip(again).frames, read_clip(output).frames)


def test_the_other_jobs_have_windows_too(backbone: Backbone, toy_clip: Path) -> None:
    five = read_clip(toy_clip)
    inverted = package.invert(backbone, five, steps=3, window=3, attention="first_frame")
    whole = package.invert(backbone, five, steps=3, attention="first_frame")
    torch.testing.assert_close(inverted.clip.frames, whole.clip.frames, atol=1e-3, rtol=1e-3)
    made = package.generate(backbone, "a cat", frames=5, steps=2, window=3, width=64, height=64)
    assert (len(made.clip), made.config.window) == (5, 3)
    assert package.tune(backbone, five, "a cat", steps=1, window=3).config["window"] == 3
    assert package.tune(backbone, five, "a cat", steps=1, window=5).config["window"] is None


def test_the_cost_of_windows_is_told(vedit: Command, toy_clip: Path, toy_model: Path) -> None:
    edit = ("edit", toy_clip, "a cat", "--model", toy_model, "--steps", 10, "--dry-run")
    whole, cut = vedit(*edit).out, vedit(*edit, "--window", 3, "--overlap", 1).out
    assert "of 3 frames, 1 of them shared" in cut
    assert "of them shared" not in whole

    def inversions(told: str) -> int:
        (line,) = (line for line in told.splitlines() if "inversion steps" in line)
        return int(line.split()[2])

    assert inversions(whole) == 11
    assert inversions(cut) == round(11 * Windows(3, 1).count(5))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--window", 16, "--overlap", 9), "share at most 8"),
        (("--overlap", 2), "overlap needs window"),
        (("--window", 1), "window"),
        (("--window", 16, "--overlap", 0), "overlap"),
    ],
)
def test_windows_that_cannot_be(vedit: Command, toy_clip: Path, flags: tuple[object, ...], said: str) -> None:
    assert said in vedit("edit", toy_clip, "a cat", *flags, "--dry-run").complaint


def test_windows_are_chosen_where_memory_does_not_suffice(toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outline, size, frames = ModelSpec(toy_model, device="cpu").outline(), (64, 64), 400
    config = AttentionSettings()
    held = FRAMES_HELD * in_hand(size[0] * size[1] * FRAME, frames)
    one = least_memory(frames, size, outline.unet, outline.vae_scale_factor, 4, 1, at_once=1) - held
    for free in (2**40, None, 2**10):  # enough, unknown, and too little for the smallest
        monkeypatch.setattr(windows, "free_memory", lambda free=free: free)
        assert settle_windows(config, frames, size, outline, 3) is config
    for branches, size_chosen in ((1, 12), (2, 6)):
        monkeypatch.setattr(windows, "free_memory", lambda: held + CAUTION * 12 * one)
        with pytest.warns(VeditWarning, match=f"seen in windows of {size_chosen} "):
            chosen = settle_windows(config, frames, size, outline, branches)
        assert windows_of(chosen, frames) == Windows.of(size_chosen)
        assert settle_windows(chosen, frames, size, outline, branches) is chosen


def test_no_windows_for_a_clip_that_fits() -> None:
    assert windows_of(AttentionSettings(), 1000) is None
    assert windows_of(AttentionSettings(window=8), 8) is None
    assert windows_of(AttentionSettings(window=8, overlap=3), 9) == Windows(8, 3)
    with pytest.raises(ConfigError):
        windows_of(AttentionSettings.model_construct(window=8, overlap=5), 9)


def test_seams_are_measured_and_shown(vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path) -> None:
    flags = ("--model", toy_model, "--steps", 3, "--control", "none", "--report", tmp_path / "page.html")
    ran = vedit("edit", toy_clip, "a cat", *flags, "--window", 3, "-o", tmp_path / "out.mp4", "--json")
    assert ran.status == 0, ran.err
    metrics = json.loads(ran.out)["metrics"]
    assert metrics.keys() >= {"worst_seam", "median_seam", "drift"}
    assert metrics["worst_seam"] >= metrics["median_seam"] > 0
    page = (tmp_path / "page.html").read_text()
    assert 1 <= page.count("where windows met, frames ") // 2 <= WORST
    assert page.count("data:image/png;base64,") == page.count("where windows met, frames ") // 2


def test_a_clip_that_is_seen_whole_has_no_seams(backbone: Backbone, clip: Clip) -> None:
    result = edited(backbone, clip)
    assert result.seams == ()
    assert "worst_seam" not in result.metrics


def test_a_seam_that_shows_is_warned_of(backbone: Backbone, toy_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seams, "SHOWS", 0.0)
    monkeypatch.setattr(seams, "OUTLIER", -1e9)
    with pytest.warns(VeditWarning, match=r"in front of frame \d"):
        package.edit(backbone, toy_clip, "a cat", steps=2, window=3, control="none")
