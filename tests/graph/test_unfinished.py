"""The state of a stage that is being made: saved whole, gone on from, and gone once the stage is whole."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from vedit.errors import MediaError, VeditWarning
from vedit.graph import Run, Store, TensorStage, unfinished
from vedit.graph.unfinished import Unfinished, forgotten


@dataclass
class Counting:
    """A session in which stages count, and may be stopped.

    Attributes:
        stop: at which number an interruption comes
        counted: the numbers so far
    """

    stop: int | None = None
    counted: list[int] = field(default_factory=list)
    unfinished: Unfinished | None = None


@dataclass(frozen=True)
class Count(TensorStage):
    """The squares of the numbers below a limit, one after the other; in a room of the state, or in memory."""

    limit: int
    in_room: bool

    title: ClassVar[str] = "count"
    kept: ClassVar[bool] = True
    resumes: ClassVar[bool] = True

    def make(self, session: Counting) -> Tensor:
        state = session.unfinished
        roomy = self.in_room and state is not None
        squares = state.room_for("tensor", (self.limit,)) if roomy else torch.zeros(self.limit)
        saved = None if state is None else state.read()
        done = 0 if saved is None else int(saved["done"])
        if saved is not None and not roomy:
            squares = saved["squares"].clone()
        for number in range(done, self.limit):
            if number == session.stop:
                raise KeyboardInterrupt
            session.counted.append(number)
            squares[number] = number**2
            if state is not None and state.due:
                state.save({"done": torch.tensor(number + 1), **({} if roomy else {"squares": squares})})
        return squares


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """States are saved whenever that is possible."""
    monkeypatch.setattr(unfinished, "EVERY", 0.0)
    monkeypatch.setattr(unfinished, "SHARE", 0)


@pytest.mark.parametrize("in_room", [False, True])
def test_what_was_stopped_goes_on_and_leaves_nothing(store: Store, in_room: bool) -> None:
    stage, squares = Count(6, in_room), [0.0, 1.0, 4.0, 9.0, 16.0, 25.0]
    for stop, first in ((2, 0), (5, 2)):
        stopped = Counting(stop)
        with pytest.raises(KeyboardInterrupt):
            Run(stopped, store)(stage)
        assert stopped.counted == list(range(first, stop))
        (entry,) = store.entries()
        assert (entry.key, entry.title, entry.unfinished) == (stage.key, "count", True)
        assert not store.holds(stage.key)
    last = Counting()
    assert Run(last, store)(stage).tolist() == squares
    assert last.counted == [5]
    assert not list(store.unfinished.iterdir())
    assert Run(Counting(stop=0), store)(stage).tolist() == squares
    assert Run(Counting())(stage).tolist() == squares, "without a store nothing is saved"


@pytest.mark.parametrize("damage", ["state", "room", "other"])
def test_what_is_damaged_is_not_gone_on_from(store: Store, damage: str) -> None:
    stage = Count(6, in_room=True)
    with pytest.raises(KeyboardInterrupt):
        Run(Counting(stop=3), store)(stage)
    folder = store.unfinished / stage.key
    if damage == "state":
        (folder / "state.safetensors").write_bytes(b"\0" * 50)
    elif damage == "room":
        (folder / "tensor.safetensors").unlink()
    else:
        (folder / "tensor.safetensors").write_bytes(b"\0" * (folder / "tensor.safetensors").stat().st_size)
    again = Counting()
    assert Run(again, store)(stage).tolist() == [0.0, 1.0, 4.0, 9.0, 16.0, 25.0]
    assert again.counted == list(range(6))


def test_it_counts_among_what_is_kept_and_goes_first_if_it_is_oldest(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        Run(Counting(stop=3), store)(Count(2000, in_room=True))
    (entry,) = store.entries()
    assert entry.size > 8000
    replace(store, bound=9000).write("new", "some", {"x": torch.zeros(1000)})
    assert [(each.key, each.unfinished) for each in store.entries()] == [("new", False)]


@pytest.mark.parametrize("in_room", [False, True])
def test_without_room_the_stage_is_made_all_the_same_and_it_is_told_once(store: Store, in_room: bool) -> None:
    small = replace(store, bound=100)
    with pytest.warns(VeditWarning, match="the count is not saved while it is made") as told:
        assert Run(Counting(), small)(Count(100, in_room)).tolist() == [each**2 for each in range(100)]
    assert len(told) == 1
    assert not small.entries()
    wide = small.for_job(2000)
    assert (wide.bound, wide.for_job(50).bound, wide.folder) == (2000, 2000, small.folder)
    Run(Counting(), wide)(Count(100, in_room))
    assert [entry.title for entry in wide.entries()] == ["count"]


def test_it_is_not_saved_more_often_than_is_of_use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(unfinished.time, "monotonic", lambda: now)
    monkeypatch.setattr(unfinished, "EVERY", 20.0)
    monkeypatch.setattr(unfinished, "SHARE", 10)
    state = Unfinished(store, "key", "count")
    assert not state.due
    now = 20.0
    assert state.due
    plain = unfinished.to_disk

    def slow(*tensors: Tensor) -> None:
        nonlocal now
        now += 7
        plain(*tensors)

    monkeypatch.setattr(unfinished, "to_disk", slow)
    state.save({"x": torch.zeros(1)})
    now += 69
    assert not state.due
    now += 1
    assert state.due


def test_a_kill_between_a_result_and_its_state_leaves_none(store: Store, tmp_path: Path) -> None:
    stage = Count(3, in_room=False)
    with pytest.raises(KeyboardInterrupt):
        Run(Counting(stop=2), store)(stage)
    store.write(stage.key, "count", {"tensor": torch.zeros(3)})
    assert (store.unfinished / stage.key).is_dir()
    assert Run(Counting(stop=0), store)(stage).tolist() == [0.0, 0.0, 0.0]
    assert not (store.unfinished / stage.key).exists()


def test_what_went_wrong_is_not_gone_on_from(store: Store) -> None:
    state = Unfinished(store, "key", "count")
    state.save({"x": torch.zeros(1)})
    with pytest.raises(MediaError), forgotten(state):
        raise MediaError("the numbers are none")
    assert state.read() is None
