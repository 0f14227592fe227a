"""What is written is checked before any work, never replaces what is read, and is whole or not there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import Ran
from vedit.graph import Run
from vedit.stages import sampling

Command = Callable[..., Ran]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("no/such/out.mp4", "does not exist"),
        ("taken.mp4", "exists already"),
        ("free.mp4", "free.yaml exists already"),
        ("out.xyz", ".xyz cannot be written"),
        ("x" * 251 + ".mp4", "1 to 250 bytes"),
        ("folder", "exists already"),
    ],
)
def test_outputs_are_checked_before_any_work(
    vedit: Command, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, said: str
) -> None:
    for name in ("taken.mp4", "free.yaml", "folder/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(Run, "__call__", lambda *_, **__: pytest.fail("work has begun"))
    assert said in vedit("edit", toy_clip, "a cat", "-o", tmp_path / output).complaint


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (("--audio", "{}"), "audio"),
        (("--mask", "{}"), "mask"),
        (("--control", "edge"), ""),
        (("--control", "edge:{}"), "control file"),
        (("--condition", "audio:file={}"), "condition file"),
        (("--lora", "{}:0.5"), "lora"),
    ],
)
def test_what_is_read_is_never_replaced(
    vedit: Command, toy_clip: Path, tmp_path: Path, flag: tuple[str, str], said: str
) -> None:
    name, text = flag
    other = Path(shutil.copy(toy_clip, tmp_path / "other.mp4"))
    before = other.read_bytes()
    output = other if said else tmp_path / "out.mp4"
    ran = vedit("edit", toy_clip, "a cat", name, text.format(other), "-o", output, "--overwrite", "--dry-run")
    if said:
        assert f"other.mp4 is the {said} itself" in ran.complaint
    else:
        assert ran.status == 0
    assert other.read_bytes() == before


def test_the_clip_itself_is_never_replaced(vedit: Command, toy_clip: Path, tmp_path: Path) -> None:
    for output in (toy_clip, tmp_path / "link.mp4"):
        if output != toy_clip:
            output.symlink_to(toy_clip)
        assert "is the clip itself" in vedit("edit", toy_clip, "a cat", "-o", output, "--overwrite").complaint


def test_a_folder_with_other_files_is_never_replaced(vedit: Command, toy_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").touch()
    assert "is not replaced" in vedit("edit", toy_clip, "x", "-o", tmp_path / "thesis", "--overwrite").complaint


def test_a_container_that_cannot_hold_the_codec_is_refused(vedit: Command, toy_clip: Path, tmp_path: Path) -> None:
    ran = vedit("edit", toy_clip, "x", "-o", tmp_path / "out.webm", "--codec", "libx265")
    assert "cannot hold libx265" in ran.complaint


@pytest.mark.parametrize("fault", [KeyboardInterrupt, torch.OutOfMemoryError, RuntimeError("lost")])
def test_nothing_partial_is_left(
    vedit: Command,
    quick: tuple[object, ...],
    toy_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(sampling, "denoise", fail)
    ran = vedit("edit", toy_clip, "a cat", *quick, "-o", tmp_path / "out.mp4", "--sheet", tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == []
    assert ran.status == {KeyboardInterrupt: 130, torch.OutOfMemoryError: 2}.get(fault, 1)  # type: ignore[call-overload]
    assert ("take fewer --frames" in ran.err) == (fault is torch.OutOfMemoryError)
