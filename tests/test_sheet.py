"""The contact sheet: rows whose frames stand below one another, labelled, of a size that fits a page."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vedit.clip import Clip
from vedit.errors import MediaError
from vedit.sheet import CAPTION, GAP, MAX_WIDTH, PAPER, Row, contact_sheet, sheet_of


def flat(values: list[float], size: tuple[int, int] = (40, 60)) -> Clip:
    return Clip(torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, *size).clone(), Fraction(8))


def cells(path: Path) -> tuple[list[range], list[range]]:
    """Where the pictures of a sheet lie: of their columns and of their rows, the pixels. They are brighter than its
    ground, and stand at its right and at its foot."""
    sheet = np.asarray(Image.open(path)).astype(int)
    filled = (np.abs(sheet - PAPER).max(-1) > 60).T
    across = runs(filled[:, -GAP - 1])
    return across, runs(filled[across[0].stop - 1])  # captions begin at the left


def runs(filled: np.ndarray) -> list[range]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], filled.astype(int), [0]])))
    return [range(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def test_rows_and_columns(tmp_path: Path) -> None:
    source = flat([0.4 + i / 60 for i in range(31)], (40, 100))
    edited = flat([0.9 - i / 60 for i in range(31)], (40, 100))
    contact_sheet(source, edited, tmp_path / "sheet.png", columns=4)
    across, down = cells(tmp_path / "sheet.png")
    assert [len(each) for each in across] == [100] * 4
    assert [len(each) for each in down] == [40] * 2
    assert down[0].start == GAP + CAPTION
    assert down[1].start == down[0].stop + GAP
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    shown = [[round(sheet[row[20], column[50], 0] / 255 * 60) for column in across] for row in down]
    assert shown == [[24, 34, 44, 54], [54, 44, 34, 24]]
    assert sheet[: GAP + CAPTION, across[3][0] :].max() > 100, "the number and the second of the last frame"
    for row in down:
        assert sheet[row, : across[0][0] - 1].max() > 150, "the names"


@pytest.mark.parametrize("frames", [1, 7, 9, 60])
@pytest.mark.parametrize("size", [(128, 128), (288, 512), (512, 288), (30, 46), (160, 400)])
def test_any_clip_makes_a_sheet_of_one_grid(tmp_path: Path, frames: int, size: tuple[int, int]) -> None:
    """The source at the size that a model worked at, the edit at the clip's own."""
    small = (max(16, size[0] // 24 * 8), max(16, size[1] // 24 * 8)) if max(size) > 200 else size
    levels = [0.5] * frames
    contact_sheet(flat(levels, small), flat(levels, size), tmp_path / "s.png")
    across, down = cells(tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width <= MAX_WIDTH
    assert len(down) == 2
    assert len({len(each) for each in across}) == len({len(each) for each in down}) == 1
    assert len(across) == frames if frames < 8 else 5 <= len(across) <= 12
    assert min(len(across[0]), len(down[0])) >= 60, "to be made out"
    assert abs(len(across[0]) / len(down[0]) - size[1] / size[0]) < 0.05 * size[1] / size[0]


def test_clips_of_other_shapes_are_fitted_and_of_other_rates_met_in_time(tmp_path: Path) -> None:
    source = Clip(flat([0.4 + i / 60 for i in range(20)], (100, 50)).frames, Fraction(16))
    contact_sheet(source, flat([0.5] * 10, (100, 200)), tmp_path / "s.png", columns=4)
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    across, down = cells(tmp_path / "s.png")
    assert (len(across), len(across[0]), len(down[0])) == (4, 200, 100)
    levels = [round((sheet[GAP + CAPTION + 50, each[100], 0] / 255 - 0.4) * 60) for each in across]
    assert levels == [0, 6, 12, 18], "each at the moment of the edit's frames 0, 3, 6 and 9, at half the rate"
    assert (sheet[GAP + CAPTION + 50, across[0][30]] == PAPER).all(), "not stretched"


def test_rows_of_chosen_frames_have_captions_of_their_own(tmp_path: Path) -> None:
    clip = flat([0.4 + i / 100 for i in range(30)], (60, 120))
    rows = [Row("all", clip), Row("on the beats", clip, [0, 10, 20]), Row("between them", clip, [5, 15, 25])]
    sheet_of(rows, tmp_path / "s.png", columns=3)
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    across, down = cells(tmp_path / "s.png")
    assert [one.start - other.stop for one, other in pairwise(reversed(down))] == [GAP + CAPTION] * 2
    shown = [[round((sheet[row[30], column[60], 0] / 255 - 0.4) * 100) for column in across] for row in down]
    assert shown == [[0, 14, 29], [0, 10, 20], [5, 15, 25]]


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    clip = flat([0.5])
    contact_sheet(clip, clip, tmp_path / "s.png")
    with pytest.raises(MediaError, match="exists"):
        contact_sheet(clip, clip, tmp_path / "s.png")
    contact_sheet(clip, clip, tmp_path / "s.png", overwrite=True)
    with pytest.raises(MediaError, match="does not exist"):
        contact_sheet(clip, clip, tmp_path / "no" / "s.png")
    assert [p.name for p in tmp_path.iterdir()] == ["s.png"]
