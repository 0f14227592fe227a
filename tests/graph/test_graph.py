"""Results have names before they are made, are made once, and are kept whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.graph.toys import Number, Session, Sum, Times, goal
from vedit.config import EditConfig
from vedit.errors import VeditWarning
from vedit.graph import Run, Stage, Store, plan
from vedit.graph.recipe import digest


def test_a_name_tells_recipe_inputs_kind_and_version() -> None:
    named = {
        each.key
        for each in (
            Number(1.0), Number(2.0), Times(Number(1.0), 2.0), Times(Number(2.0), 2.0), Times(Number(1.0), 3.0),
            Sum((Number(1.0), Number(2.0))), Sum((Number(2.0), Number(1.0))), Sum((Number(1.0),), Number(2.0)),
        )
    }  # fmt: skip
    assert len(named) == 8
    assert goal().key == goal().key

    @dataclass(frozen=True)
    class Newer(Number):
        version = 2

    @dataclass(frozen=True)
    class Same(Number):
        pass

    assert len({Newer(1.0).key, Same(1.0).key, Number(1.0).key}) == 3


def test_a_name_is_the_same_in_another_process() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "from tests.graph.toys import goal; print(goal().key)"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert told.stdout.strip() == goal().key


@pytest.mark.parametrize(
    "pair",
    [
        (1, 1.0), (True, 1), ("1", 1), (None, "None"), ((1, 2), (2, 1)), ({"a": 1}, {"a": 2}), (0.1, 0.1 + 2**-56),
        (Path("a"), "a"), (Fraction(1, 2), 0.5), (torch.zeros(2), torch.zeros(1, 2)), (torch.zeros(2), np.zeros(2)),
        (np.zeros((2, 3)), np.zeros((3, 2))), (np.zeros((2, 3)), np.ones((2, 3))),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64)), (frozenset({1}), (1,)),
    ],
)  # fmt: skip
def test_what_differs_has_another_digest(pair: tuple[object, object]) -> None:
    one, other = pair
    assert digest(one) == digest(one)
    assert digest(one) != digest(other)


def test_what_has_no_plain_form_is_refused() -> None:
    with pytest.raises(TypeError, match="recipe"):
        digest(object())


def test_what_is_to_be_replaced_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"a clip")
    config = EditConfig(clip=tmp_path / "clip.mp4", prompt="a cat", output=tmp_path / "o.mp4", sheet=tmp_path / "o.png")
    before = digest(config)
    for name in ("o.mp4", "o.png"):
        (tmp_path / name).write_bytes(b"an older result")
    assert digest(config) == before
    assert digest(config.model_copy(update={"output": tmp_path / "p.mp4"})) != before
    (tmp_path / "clip.mp4").write_bytes(b"another clip")
    assert digest(config) != before


def test_each_stage_is_made_once(session: Session) -> None:
    run = Run(session)
    assert run(goal()).tolist() == [99.0]
    assert run(goal()).tolist() == [99.0]
    assert session.made() == ["number 1", "number 2", "sum of 2", "times 10", "sum of 2", "times 3"]
    assert run.seconds.keys() == {"number", "sum", "times"}


def test_another_goal_makes_only_what_is_new(session: Session, store: Store) -> None:
    Run(session, store)(goal(3.0))
    before = session.made()
    planned = plan(goal(5.0), store=store)
    assert [type(stage).__name__ for stage in planned.to_make] == ["Times"]
    assert len(planned.there) == 1  # what the sum is made of is not asked for
    assert Run(session, store)(goal(5.0)).tolist() == [165.0]
    assert session.made()[len(before) :] == ["times 5"]
    assert plan(goal(5.0), store=store).to_make == ()


def test_a_plan_makes_nothing(session: Session, store: Store) -> None:
    assert len(plan(goal(), goal(4.0), store=store).to_make) == 7
    assert not session.made()
    assert not store.folder.exists()


def test_where_nothing_can_be_kept_that_is_told_and_nothing_fails(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(VeditWarning, match="results are not kept for the next time"):
        assert Run(session, Store(tmp_path / "file" / "store"))(goal()).tolist() == [99.0]


def test_results_are_equal_to_the_bit_when_read_again(session: Session, store: Store) -> None:
    one = Times(Number(1 / 3), 1 / 7)
    made = Run(session, store)(one)
    assert torch.equal(Run(session, store)(one), made)
    assert isinstance(made, Tensor)
    assert issubclass(Times, Stage)
