"""When a tuning has learnt its clip: by its error on the same timesteps and noises, looked at again and again.

The loss of the steps themselves cannot tell: each draws a timestep and noise of its own, which matter more to it than
what was learnt.
"""

from __future__ import annotations

from collections.abc import Sequence

EVERY = 25
"""Steps between two looks."""

PAIRS = 8
"""Timesteps, each with its noise, that are looked at."""

PATIENCE = 2
"""Looks over which the error must have fallen."""

LEAST = 0.1
"""Share by which it must have, or nothing more is learnt that would be worth the steps."""

BEGUN = 0.9
"""Share of the first error, before any step, from which on something was learnt. Until then a tuning that learns slowly
at first goes on."""


def is_learnt(errors: Sequence[float]) -> bool:
    """Whether a tuning has learnt, given its errors so far, the first of them before any step."""
    if len(errors) <= PATIENCE or min(errors) > BEGUN * errors[0]:
        return False
    return min(errors[-PATIENCE:]) > (1 - LEAST) * min(errors[:-PATIENCE])


def is_due(step: int) -> bool:
    """Whether the error is looked at before a step, counted from 0."""
    return step % EVERY == 0


def looks(steps: int) -> int:
    """How often a tuning of so many steps is looked at, where it takes them all."""
    return len(range(0, steps, EVERY))
