"""What the benchmark of long clips measures, on clips that are wrong in a known way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.judge import load_judge
from benchmarks.long_clips import cases, chosen_rows, fixed_and_unanchored, lab_difference, measure, seam_ratios, slope
from vedit.attention.kinds import SparseCausal
from vedit.windows import Windows

WINDOWS = Windows(4, 1)


def test_a_seam_is_seen_where_it_is() -> None:
    exact = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    flicker = 0.01 * (torch.arange(12) % 2)[:, None, None, None]
    seam = 0.1 * (torch.arange(12) >= 6)[:, None, None, None]
    assert seam_ratios(exact + flicker, exact, [4, 6]) == pytest.approx([1, 1], rel=1e-3)
    assert seam_ratios(exact + flicker + seam, exact, [4, 6]) == pytest.approx([1, 9], rel=0.3)
    everywhere = seam_ratios(exact + flicker + seam, exact)
    assert (len(everywhere), max(everywhere)) == (11, everywhere[5])


def test_a_tint_is_told_in_lab() -> None:
    grey, where = torch.full((2, 3, 4, 4), 0.5), torch.ones(2, 1, 4, 4, dtype=torch.bool)
    redder = grey.clone()
    redder[:, 0] += 0.1
    found = lab_difference(redder, grey, where)
    assert found[1] > 5
    assert np.allclose(lab_difference(grey, grey, where), 0)
    assert np.allclose(lab_difference(redder, grey, ~where), 0), "nothing is measured where there is nothing"


def test_slopes() -> None:
    assert slope([1.0, 3.0, 5.0]) == pytest.approx(2)
    assert slope([1.0]) == 0


def test_the_exact_answer_has_no_fault_and_one_that_drifts_has() -> None:
    judge = load_judge()
    for case in cases(3, frames=12):
        assert len(case.clip) == 12
        exact = torch.from_numpy(case.wanted.frames).clamp(0, 1)
        found = measure(exact, case, WINDOWS, judge)
        assert found["drift"] == pytest.approx(0, abs=0.05)
        assert (found["thing's drift"] == 0) != (case.change == "shape" and np.isnan(found["thing's drift"]))
        fading = exact * torch.linspace(1, 0.8, 12)[:, None, None, None]
        worse = measure(fading, case, WINDOWS, judge)
        assert worse["drift"] > 1
        assert case.change == "shape" or worse["thing's drift"] > 1
        assert worse["unchanged slope"] < -1


def test_windows_move_again_afterwards() -> None:
    before = WINDOWS.of_step(20, 1)
    with fixed_and_unanchored():
        assert WINDOWS.of_step(20, 1) == WINDOWS.of_step(20, 0) != before
        assert not SparseCausal.anchored
    assert WINDOWS.of_step(20, 1) == before
    assert SparseCausal.anchored


def test_a_row_is_asked_for_by_its_name_or_the_start_of_it() -> None:
    titles = ["windows", "windows that stay", "handed over"]
    assert chosen_rows(titles, [""]) == titles
    assert chosen_rows(titles, ["windows", "hand"]) == ["windows", "handed over"]
    assert chosen_rows(titles, ["windows that"]) == ["windows that stay"]
