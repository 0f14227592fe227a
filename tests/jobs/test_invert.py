"""``vedit invert``: the reconstruction beside the VAE's own round trip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran
from vedit.clip import probe
from vedit.config import InvertConfig
from vedit.jobs import run

Command = Callable[..., Ran]


def test_both_figures_are_shown(vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "again.mp4"
    ran = vedit("invert", toy_clip, "--source-prompt", "red", "--model", toy_model, "--steps", 2, "-o", output)
    assert ran.status == 0, ran.err
    assert "VAE round trip" in ran.out
    assert "reconstruction" in ran.out
    assert probe(output).size == probe(toy_clip).size


def test_without_an_output_nothing_is_written(
    toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {"clip": toy_clip, "model": str(toy_model), "steps": 25, "device": "cpu", "cache": False, "frames": 3}
    result = run(InvertConfig(**settings))
    assert list(tmp_path.iterdir()) == []
    assert len(result.clip) == 3
    # An untrained network's noise is smooth in its input, so that 25 steps lose next to nothing of the latents.
    assert abs(result.reconstruction.db - result.vae.db) < 1
