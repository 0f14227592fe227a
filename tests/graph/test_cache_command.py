"""`vedit cache`: what is kept, and letting go of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Ran

Command = Callable[..., Ran]


def test_what_is_kept_is_shown_and_let_go_of(vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path) -> None:
    assert "0.0 MB of at most" in vedit("cache").out
    given = ("edit", toy_clip, "a cat", "--model", toy_model, "--steps", 2, "--frames", 2, "--no-check-inversion")
    assert vedit(*given, "-o", tmp_path / "a.mp4").status == 0
    shown = vedit("cache")
    assert shown.status == 0
    assert "inversion" in shown.out
    told = json.loads(vedit("cache", "--json").out)
    assert 0 < told["size"] < told["bound"]
    assert json.loads(vedit("cache", "--empty", "--json").out)["freed"] == told["size"]
    assert "inversion" not in vedit("cache").out
