"""When a tuning is over, by its errors so far."""

import pytest

from vedit.tuning.exam import EVERY, PATIENCE, is_due, is_learnt, looks


@pytest.mark.parametrize(
    ("errors", "learnt"),
    [
        ([1.0], False),
        ([1.0, 0.5], False),
        ([1.0, 0.5, 0.4], False),
        ([1.0, 0.5, 0.48, 0.47], True),
        ([1.0, 0.5, 0.6, 0.44], False),
        ([1.0, 0.5, 0.3, 0.2, 0.15, 0.11], False),
        ([1.0, 0.99, 0.98, 0.97, 0.97], False),
        ([1.0, 1.2, 1.3, 1.3], False),
        ([1.0, 0.5, 0.7, 0.9], True),
    ],
    ids=[
        "first",
        "second",
        "still early",
        "level",
        "one that is worse",
        "falls",
        "slow beginning",
        "rises",
        "worse again",
    ],
)
def test_it_has_learnt_once_its_error_is_level(errors: list[float], learnt: bool) -> None:
    assert is_learnt(errors) is learnt


def test_it_is_looked_at_before_the_first_step_and_every_so_many() -> None:
    assert [step for step in range(2 * EVERY + 1) if is_due(step)] == [0, EVERY, 2 * EVERY]
    assert [looks(steps) for steps in (1, EVERY, EVERY + 1, 500)] == [1, 1, 2, 500 // EVERY]
    assert looks(500) > PATIENCE
