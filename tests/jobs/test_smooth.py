"""``vedit smooth``."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from tests.clip.making import beep_at, make_video
from tests.conftest import Ran
from tests.motion.test_between import shown
from vedit.clip import Clip, probe, read_clip

Command = Callable[..., Ran]


def test_twice_as_many_frames_and_the_same_sound(
    vedit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "a.mp4", 24, sound_at=0.0)
    ran = vedit("smooth", "a.mp4")
    assert ran.status == 0, ran.err
    assert ran.out.startswith("a-smooth.mp4  48 frames, ")
    before, after = probe("a.mp4"), probe("a-smooth.mp4")
    assert (after.frames, after.rate, after.size) == (48, 2 * before.rate, before.size)
    assert beep_at(read_clip("a-smooth.mp4")) == pytest.approx(beep_at(read_clip("a.mp4")), abs=1 / 60)
    again = vedit("smooth", "a.mp4", "-o", "b.mp4")
    assert again.status == 0
    assert Path("b.mp4").read_bytes() == Path("a-smooth.mp4").read_bytes()


@pytest.mark.parametrize("shots", ["auto", "7", "0.875s"])
def test_cuts_are_kept(vedit: Command, tmp_path: Path, shots: str) -> None:
    frames = torch.cat([shown(1, 7), shown(2, 7)])
    Clip(frames, Fraction(8)).save(tmp_path / "in")
    ran = vedit("smooth", tmp_path / "in", "--times", 4, "--shots", shots, "-o", tmp_path / "out")
    assert ran.status == 0, ran.err
    made = read_clip(tmp_path / "out")
    assert (len(made), made.rate) == (56, 32)
    assert torch.equal(made.frames[24:28], made.frames[24:25].expand(4, -1, -1, -1))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "CLIP is missing"),
        (["no.mp4"], "no.mp4 does not exist"),
        (["a.mp4", "--times", "1"], "--times: '1' is out of range; expected 2..16"),
        (["a.mp4", "--times", "fast"], "--times"),
        (["a.mp4", "--shots", "99"], "shots: there is no frame 99 to cut at; the clip has 3"),
        (["a.mp4", "-o", "a.mp4", "--overwrite"], "is the clip itself"),
        (["a.mp4", "-o", "c.avi"], ".avi cannot be written"),
        (["quick", "--times", "4"], "times: 4 times 500 frames per second are more than 1000; expected at most 2"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(
    vedit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "a.mp4", 3)
    Clip(torch.zeros(3, 3, 16, 16), Fraction(500)).save("quick")
    assert said in vedit("smooth", *arguments).complaint
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "quick"}
