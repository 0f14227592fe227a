"""Number formats that a CPU has no units for."""

from pathlib import Path

import pytest
import torch

from vedit.adapters.loading import load_backbone
from vedit.backbone import dtypes
from vedit.errors import VeditWarning


def test_what_is_slow_is_said_once(sd1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dtypes, "slowdown", {torch.bfloat16: 11.2, torch.float16: 1.9}.__getitem__)
    with pytest.warns(VeditWarning, match="bfloat16 is about 11 times slower") as told:
        load_backbone(sd1, device="cpu", dtype="bfloat16")
    assert len(told) == 1
    for dtype in ("float16", "float32", "auto"):
        load_backbone(sd1, device="cpu", dtype=dtype)  # warnings are errors


def test_float32_takes_as_long_as_itself() -> None:
    assert 0.05 < dtypes.slowdown(torch.float32) < 20  # the same work twice, on a machine that does other things too
    assert dtypes.slowdown(torch.bfloat16) > 0
