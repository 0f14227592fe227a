"""The contact sheet: two rows, labelled, of a size that fits a page."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vedit.clip import Clip
from vedit.errors import MediaError
from vedit.sheet import GAP, LABEL, contact_sheet


def flat(values: list[float], size: tuple[int, int] = (40, 60)) -> Clip:
    return Clip(torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, *size).clone(), Fraction(8))


def test_rows_and_columns(tmp_path: Path) -> None:
    source = flat([i / 30 for i in range(31)])
    edited = flat([1 - i / 30 for i in range(31)])
    contact_sheet(source, edited, tmp_path / "sheet.png", columns=4)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (GAP + 2 * (LABEL + 40 + GAP), GAP + 4 * (60 + GAP), 3)
    first, second = GAP + LABEL + 20, GAP + LABEL + 40 + GAP + LABEL + 20
    centres = [GAP + 30 + k * (60 + GAP) for k in range(4)]
    assert [round(float(sheet[first, x, 0]) / 255 * 30) for x in centres] == [0, 10, 20, 30]
    assert [round(float(sheet[second, x, 0]) / 255 * 30) for x in centres] == [30, 20, 10, 0]
    for top in (GAP, GAP + LABEL + 40 + GAP):
        assert sheet[top : top + LABEL, :60].max() > 150  # the labels


def test_large_and_unequal_clips(tmp_path: Path) -> None:
    contact_sheet(flat([0.5] * 3, (720, 1280)), flat([0.5] * 2, (64, 64)), tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as sheet:
        assert 1500 < sheet.width <= 1600
        assert sheet.format == "PNG"


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    clip = flat([0.5])
    contact_sheet(clip, clip, tmp_path / "s.png")
    with pytest.raises(MediaError, match="exists"):
        contact_sheet(clip, clip, tmp_path / "s.png")
    contact_sheet(clip, clip, tmp_path / "s.png", overwrite=True)
    with pytest.raises(MediaError, match="does not exist"):
        contact_sheet(clip, clip, tmp_path / "no" / "s.png")
    assert [p.name for p in tmp_path.iterdir()] == ["s.png"]
