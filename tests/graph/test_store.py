"""Results are kept whole or not at all, within a bound, for as many processes as there are."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.graph.toys import Session, goal
from vedit.graph import Run, Store

SPAWN = multiprocessing.get_context("spawn")


def bytes_in(folder: Path) -> int:
    """Of all files, unfinished ones too."""
    sizes = []
    for path in folder.glob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except FileNotFoundError:
            continue
    return sum(sizes)


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, None])
def test_a_damaged_result_is_made_again(session: Session, store: Store, damage: bytes | None) -> None:
    Run(session, store)(goal())
    file = store.folder / f"{goal().key}.safetensors"
    file.write_bytes(file.read_bytes()[:-2] if damage is None else damage)
    assert Run(session, store)(goal()).tolist() == [99.0]
    assert session.made()[-1] == "times 3"
    assert store.read(goal().key) is not None


def test_what_was_not_used_for_longest_goes_first(store: Store) -> None:
    for number in range(4):
        store.write(f"{number}", "some", {"x": torch.zeros(1000)})
        os.utime(store.folder / f"{number}.safetensors", (number, number))
    store.read("0")
    size = store.entries()[0].size
    small = replace(store, bound=2 * size)
    small.write("new", "some", {"x": torch.zeros(1000)})
    assert {entry.key for entry in store.entries()} == {"0", "new"}
    small.write("huge", "some", {"x": torch.zeros(10_000)})  # would push out all else
    assert not store.holds("huge")
    assert store.empty() == 2 * size
    assert not store.entries()


def test_what_is_damaged_takes_room_until_it_goes(store: Store) -> None:
    store.folder.mkdir()
    (store.folder / "old.safetensors").write_bytes(b"\xff" * 5000)
    os.utime(store.folder / "old.safetensors", (0, 0))
    small = replace(store, bound=8000)
    small.write("new", "some", {"x": torch.zeros(1000)})
    assert [entry.key for entry in store.entries()] == ["new"]
    (store.folder / "old.safetensors").write_bytes(b"\xff" * 5000)
    assert {entry.key: entry.title for entry in store.entries()} == {"old": "", "new": "some"}
    assert store.empty() > 9000


def test_what_is_being_made_is_left_and_nothing_is_kept_without_room(store: Store) -> None:
    store.write("used", "some", {"x": torch.zeros(1000)})
    small = replace(store, bound=bytes_in(store.folder) + 100)
    with store.alone("used"):
        small.write("new", "some", {"x": torch.zeros(1000)})
        assert [entry.key for entry in store.entries()] == ["used"]
    small.write("new", "some", {"x": torch.zeros(1000)})
    assert [entry.key for entry in store.entries()] == ["new"]


def _fill(folder: Path, bound: int, number: int, together: Any) -> None:
    chance, small = random.Random(number), Store(folder, bound)
    together.wait(120)
    for index in range(40):
        small.write(f"{number}-{index}", "some", {"x": torch.zeros(chance.randrange(1, 4000))})


def test_several_processes_keep_one_bound(store: Store) -> None:
    bound, together = 40_000, SPAWN.Barrier(4)
    several = [SPAWN.Process(target=_fill, args=(store.folder, bound, number, together)) for number in range(3)]
    for each in several:
        each.start()
    together.wait(120)
    most = 0
    while any(each.is_alive() for each in several):
        most = max(most, bytes_in(store.folder))
    for each in several:
        each.join()
        assert each.exitcode == 0
    assert bound // 2 < most <= bound
    assert sum(entry.size for entry in store.entries()) <= bound


def _work(diary: Path, folder: Path, together: Any = None) -> None:
    if together is not None:
        together.wait(120)
    Run(Session(diary, slow=0.02), Store(folder))(goal())


def test_two_processes_make_everything_once(session: Session, store: Store) -> None:
    together = SPAWN.Barrier(2)
    both = [SPAWN.Process(target=_work, args=(session.diary, store.folder, together)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(120)
        assert each.exitcode == 0
    assert sorted(session.made()) == ["number 1", "number 2", "sum of 2", "sum of 2", "times 10", "times 3"]
    assert Run(session, store)(goal()).tolist() == [99.0]


def test_what_is_being_written_is_no_entry(store: Store) -> None:
    store.folder.mkdir(parents=True, exist_ok=True)
    (store.folder / ".vedit-04115b94-1-a31bb94a89a150ad.safetensors").touch()
    assert store.entries() == []


def test_a_killed_process_leaves_nothing_partial(session: Session, store: Store) -> None:
    context = multiprocessing.get_context("fork")
    chance = random.Random(0)
    for _ in range(10):
        one = context.Process(target=_work, args=(session.diary, store.folder))
        one.start()
        time.sleep(chance.uniform(0, 0.15))
        os.kill(one.pid or 0, signal.SIGKILL)
        one.join()
        for entry in store.entries():
            assert store.read(entry.key) is not None
    assert Run(session, store)(goal()).tolist() == [99.0]
    assert not list(store.folder.glob(".vedit-*"))
