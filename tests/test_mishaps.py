"""What is nobody's fault: full disks, damaged caches, chatty libraries."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from tests.conftest import Ran
from vedit.clip import Clip
from vedit.errors import MediaError

Command = Callable[..., Ran]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writing more than so many bytes into a file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def job(model: Path, clip: Path, output: Path) -> list[object]:
    return [
        "edit",
        clip,
        "a red cat",
        "--source-prompt",
        "",
        "--model",
        model,
        "--steps",
        1,
        "--size",
        16,
        "-o",
        output,
    ]


def told(ran: Ran) -> list[str]:
    """The lines on stderr that are not about progress."""
    return [line for line in ran.err.splitlines() if not line.endswith(" s")]


@pytest.mark.parametrize("name", ["o.mp4", "o.gif", "o.webm", "pictures"])
def test_a_full_disk_is_told_and_leaves_nothing(
    name: str, toy_model: Path, toy_clip: Path, tmp_path: Path, vedit: Command
) -> None:
    with files_of_at_most(200):
        ran = vedit(*job(toy_model, toy_clip, tmp_path / name), "--no-cache")
    assert ran.status == 2
    assert told(ran) == [f"error: {tmp_path / name} could not be written: File too large"]
    assert not list(tmp_path.iterdir())


def test_a_full_disk_while_tuning(toy_model: Path, toy_clip: Path, tmp_path: Path, vedit: Command) -> None:
    output = tmp_path / "a.safetensors"
    with files_of_at_most(200):
        ran = vedit(
            *("tune", toy_clip, "--prompt", "a", "--model", toy_model, "--steps", 1, "--size", 16, "-o", output)
        )
    assert ran.status == 2
    assert told(ran) == [f"error: {output} could not be written: File too large"]
    assert not list(tmp_path.iterdir())


def test_an_inversion_that_cannot_be_kept_is_a_warning(
    toy_model: Path, toy_clip: Path, vedit: Command, tmp_path: Path
) -> None:
    cache = Path(os.environ["VEDIT_CACHE"])
    with files_of_at_most(100):
        ran = vedit("invert", toy_clip, "--model", toy_model, "--steps", 1, "--size", 16)
    assert ran.status == 0, ran.err
    assert len(told(ran)) == 1
    assert told(ran)[0].startswith("warning: results are not kept for the next time: ")
    assert not list(cache.glob("*.safetensors"))


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 100], ids=["empty", "junk", "bytes"])
def test_a_damaged_cache_is_made_anew(
    content: bytes, toy_model: Path, toy_clip: Path, tmp_path: Path, vedit: Command
) -> None:
    plain = ("--inversion-corrections", 0)  # an inversion whose quality is always looked at, and kept beside it
    assert vedit(*job(toy_model, toy_clip, tmp_path / "a.mp4"), *plain).status == 0
    kept = sorted(Path(os.environ["VEDIT_CACHE"]).glob("*.safetensors"))
    assert len(kept) > 2
    whole = [path.read_bytes() for path in kept]
    for path in kept:
        path.write_bytes(content)
    ran = vedit(*job(toy_model, toy_clip, tmp_path / "b.mp4"), *plain)
    assert ran.status == 0, ran.err
    assert [path.read_bytes() for path in kept] == whole
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_encoders_say_nothing(codec: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Clip(torch.rand(3, 3, 64, 64), Fraction(25)).save(tmp_path / "o.mkv", codec=codec)
    assert capfd.readouterr() == ("", "")


def test_pictures_too_small_for_x265_are_refused(tmp_path: Path) -> None:
    """It would write past its memory, and the process would end without a word."""
    with pytest.raises(MediaError, match=r"46x30.*use libx264"):
        Clip(torch.rand(3, 3, 30, 46), Fraction(25)).save(tmp_path / "o.mkv", codec="libx265")
    assert not list(tmp_path.iterdir())


def test_what_has_no_sound_is_not_said_to_have_it(
    toy_model: Path, toy_clip: Path, tmp_path: Path, vedit: Command
) -> None:
    heard = {name: vedit(*job(toy_model, toy_clip, tmp_path / name)).out for name in ("o.mp4", "g.gif", "pictures")}
    assert [" fps, silent" in out for out in heard.values()] == [False, True, True]


def test_the_hubs_retries_are_not_shown() -> None:
    """Each attempt to reach the hub would be a line of its own."""
    code = (
        "from vedit.cli import main\n"
        "main(['parts'])\n"
        "from huggingface_hub.utils import logging\n"
        "print(logging.get_verbosity() >= logging.ERROR)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_VERBOSITY"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.endswith("True\n")


def test_an_interruption_is_told(
    toy_model: Path, toy_clip: Path, tmp_path: Path, vedit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vedit.stages import sampling

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sampling, "denoise", interrupted)
    ran = vedit(*job(toy_model, toy_clip, tmp_path / "o.mp4"), "--prior", "gaussian")
    assert (ran.status, ran.out) == (130, "")
    assert told(ran) == ["error: interrupted; nothing partial was left"]
    assert not list(tmp_path.iterdir())
