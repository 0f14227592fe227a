"""What one edit with everything in it reads and computes, it reads and computes once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vedit
from vedit.backbone import Backbone
from vedit.clip import reading, video_track
from vedit.config import EditConfig
from vedit.jobs import run
from vedit.stages import flow

EXAMPLES = Path(__file__).parents[2] / "examples"


def counting(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, counts: dict[str, int], by: Callable[..., int]
) -> None:
    """Count the calls of a function, or what ``by`` makes of their arguments."""
    plain = getattr(owner, name)

    def counted(*given: Any, **named: Any) -> Any:
        counts[name] = counts.get(name, 0) + by(*given, **named)
        return plain(*given, **named)

    monkeypatch.setattr(owner, name, counted)


def test_an_edit_with_everything_reads_encodes_and_estimates_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: dict[str, int] = {}
    counting(monkeypatch, reading, "_decode", counts, lambda *_: 1)
    counting(monkeypatch, video_track, "_demux", counts, lambda *_: 1)
    counting(monkeypatch, flow, "estimate_flow", counts, lambda *_: 1)
    counting(monkeypatch, Backbone, "encode", counts, lambda _, frames: len(frames))
    video_track._scan.cache_clear()

    def edit(prompt: str, output: str) -> None:
        config = EditConfig.model_validate({
            "clip": EXAMPLES / "star.mp4", "frames": 3, "prompt": prompt, "steps": 2, "tune": 1, "device": "cpu",
            "source_prompt": "a red star moving left over grass", "control": ["edge"], "audio_scale": 1,
            "audio": EXAMPLES / "storm.wav", "attention": "flow", "output": tmp_path / output,
        })  # fmt: skip
        with warnings.catch_warnings(action="ignore", category=vedit.VeditWarning):
            run(config)

    edit("a blue star moving left over grass", "a.mp4")
    assert counts == {"_decode": 1, "_demux": 1, "estimate_flow": 1, "encode": 3}
    counts.clear()
    edit("a green star moving left over grass", "b.mp4")
    assert counts == {}
