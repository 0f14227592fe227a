"""Held-out edits: what of the exact counterfactual nobody can know."""

from __future__ import annotations

import torch

from benchmarks.held_out import CHANGES, best_guess, cases, measure
from benchmarks.judge import load_judge


def test_the_best_guess_is_right_but_for_what_no_words_tell() -> None:
    judge = load_judge()
    for case in cases(3, 880_000):
        found = measure(best_guess(case), case, judge)
        assert found["changed"] == found["kept"] == 1, case.prompt
        if case.change == "shape":
            assert 0.3 < found["overlap"] < 0.95
            assert found["track"] < 8
        else:
            exact = torch.from_numpy(case.wanted.frames).clamp(0, 1)
            assert torch.equal(best_guess(case), exact)
    assert {case.change for case in cases(3, 880_000)} == set(CHANGES)
