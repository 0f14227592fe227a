"""What is measured of an edit, by a judge who knows: the best of an exact one, and less of one that fails."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.held_out import OF_OBJECTS, Case, cases, measure, of_objects
from tests.benchmarks.exact import ExactJudge
from world import Rendered


def wanted(case: Case) -> torch.Tensor:
    return torch.from_numpy(case.wanted.frames).clamp(0, 1)


@pytest.mark.parametrize("case", cases(3), ids=lambda case: case.change)
def test_an_exact_edit_has_nothing_wrong(case: Case) -> None:
    found = measure(wanted(case), case, ExactJudge(case.wanted))
    assert (found["changed"], found["kept"], found["overlap"], found["worst_overlap"]) == (1, 1, 1, 1)
    assert (found["track"], found["jump"], found["shape_change"]) == pytest.approx((0, 0, 0))


def test_a_jump_a_wobble_and_a_loss_are_told() -> None:
    case = cases(1)[0]

    def judged(masks: np.ndarray) -> dict[str, float]:
        seen: Rendered = replace(case.wanted, masks=masks)
        return measure(wanted(case), case, ExactJudge(seen))

    jumping = case.wanted.masks.copy()
    jumping[4:] = np.roll(jumping[4:], 6, axis=-1)
    assert judged(jumping)["jump"] == pytest.approx(6)
    assert judged(jumping)["shape_change"] == pytest.approx(0, abs=1)
    assert judged(jumping)["worst_overlap"] < 0.8
    wobbling = case.wanted.masks.copy()
    wobbling[::2, :, : int(case.wanted.positions[0, 0, 1])] = 0
    assert judged(wobbling)["shape_change"] > 15


def test_the_columns_are_filled() -> None:
    case = cases(1)[0]
    found = measure(wanted(case), case, ExactJudge(case.wanted))
    assert len(of_objects([found])) == len(OF_OBJECTS)
