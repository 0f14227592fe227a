"""What is to be written is summed up disk by disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedit.machine import disk as machine_disk
from vedit.machine.disk import DiskUse, disks, free_disk


def test_a_folder_that_is_not_there_yet_lies_on_the_disk_of_the_one_above(tmp_path: Path) -> None:
    assert free_disk(tmp_path / "not" / "there") == pytest.approx(free_disk(tmp_path), rel=0.1)
    (one,) = disks([DiskUse("some", tmp_path, 100), DiskUse("more", tmp_path / "not" / "there", 50)])
    assert (one.need, [each.what for each in one.uses]) == (150, ["some", "more"])
    assert one.free is not None
    assert one.free > 0


def test_other_disks_are_summed_up_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_disk, "_device", lambda folder: len(folder.name))
    found = list(disks([DiskUse("a", Path("/x"), 1), DiskUse("b", Path("/yy"), 2), DiskUse("c", Path("/z"), 4)]))
    assert [each.need for each in found] == [5, 2]


def test_what_cannot_be_told_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(machine_disk.shutil, "disk_usage", refuse)
    assert free_disk(tmp_path) is None
