"""What is known of a job before it is run."""

from __future__ import annotations

from vedit.config import Settings
from vedit.graph import plan
from vedit.jobs import entry_of
from vedit.jobs.base import Given, expected
from vedit.session import Session


def steps_expected(config: Settings) -> dict[str, float]:
    """The UNet passes that progress is told of, with an empty cache."""
    goal = entry_of(config).load().goal(config, Session(), Given())
    assert goal.canvas is not None
    return expected(plan(goal.stage).to_make, goal.canvas.frames)
