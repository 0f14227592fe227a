"""Two batches at once: beside each other with one cache, and one that comes second into a folder."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.batches import desks
from tests.batches.desks import Desk
from vedit.batches.folder import LOCK
from vedit.batches.prepare import open_batch
from vedit.batches.run import alone_in
from vedit.graph import Store


@pytest.fixture(scope="module")
def jobs(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of four edits that take a second or two."""
    desks.SERVER.set_forkserver_preload([desks.__name__])
    folder = tmp_path_factory.mktemp("jobs")
    return desks.jobs_file(
        folder / "jobs.yaml", desks.clips(folder, 2), ["a blue dog", "a green dog"], desks.tiny(toy_model)
    )


def test_two_batches_with_one_cache_make_what_they_share_once(jobs: Path, tmp_path: Path) -> None:
    both = [Desk.new(tmp_path / name, tmp_path / "cache") for name in ("one", "other")]
    for desk, process in [(desk, desk.begin(jobs)) for desk in both]:
        desk.finish(process)
    one, other = both
    assert len([name for name in one.outputs() if name.endswith(".mp4") and not name.startswith("pictures/")]) == 4
    assert one.outputs() == other.outputs()
    assert not [*one.hidden(), *other.hidden()]

    kept = {work.split()[1] for desk in both for work in desk.count("begun", kept=True)}
    made = Counter(event["key"] for desk in both for event in desk.events() if event["event"] == "made")
    assert kept
    assert {key: made[key] for key in kept} == dict.fromkeys(kept, 1)
    store = Store(one.cache)
    assert {entry.key for entry in store.entries()} == kept
    assert all(store.read(key) is not None for key in kept)


def test_a_batch_that_comes_second_into_a_folder_says_so(jobs: Path, tmp_path: Path) -> None:
    first = Desk.new(tmp_path / "first")
    running = first.begin(jobs)
    while running.is_alive() and not (first.out / LOCK).exists():
        time.sleep(0.01)
    os.kill(running.pid or 0, signal.SIGSTOP)  # so that it is there still, however quick it is
    second = Desk(tmp_path / "second", first.cache)
    second.folder.mkdir()
    late = second.begin(jobs, "--output", first.out)
    late.join(desks.PATIENCE)
    os.kill(running.pid or 0, signal.SIGCONT)
    assert late.exitcode == 2
    (line,) = second.said.splitlines()
    assert line.startswith(f"error: another `vedit batch` works in {first.out}")
    first.finish(running)
    assert len(first.outputs()) == 14, "outputs, sidecars and pictures of four jobs, and two sources"
    assert not first.hidden()


def test_folders_that_are_made_to_look_whether_all_can_be_written_go_again(jobs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert not open_batch(jobs, folder).faults
    assert not folder.exists()
    folder.mkdir()
    with alone_in(folder):  # a batch that runs, and would find them there
        assert not open_batch(jobs, folder).faults
        assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["clip0", "clip1"]
