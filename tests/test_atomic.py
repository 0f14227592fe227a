"""What is left over of killed processes is cleared; what others write is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vedit.atomic import whole_file, whole_folder

KILLED = """
import os, signal, sys
from vedit.atomic import whole_file, whole_folder
with whole_file(sys.argv[1] + "/a.mp4") as file, whole_folder(sys.argv[1] + "/b") as folder:
    file.write_text("half")
    (folder / "00000.png").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_what_a_killed_process_left_is_cleared_by_the_next(tmp_path: Path, whole) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(left(tmp_path)) == 2
    with whole(tmp_path / "c") as beside:
        assert left(tmp_path) == [beside.name]
    assert left(tmp_path) == ["c"]


def test_what_may_be_someone_elses_stays(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.mp4") as mine:
        here, number, code = mine.stem.removeprefix(".vedit-").split("-")
        others = [
            f".vedit-00000000-999999-{code}.mp4",  # of another machine
            f".vedit-{here}-{os.getppid()}-{code}.mp4",  # of a process that runs
            f".vedit-{here}-999999999-{code[1:]}.mp4",
            ".vedit-mine",
            "vedit-notes.txt",
        ]
        for name in others:
            (tmp_path / name).write_text("kept")
        with whole_file(tmp_path / "b.mp4"):
            pass
        assert mine.exists()
        assert int(number) == os.getpid()
    assert left(tmp_path) == sorted([*others, "a.mp4", "b.mp4"])


def test_a_link_is_cleared_and_not_what_it_leads_to(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("kept")
    with whole_file(tmp_path / "a.mp4") as mine:
        here, _, code = mine.stem.removeprefix(".vedit-").split("-")
    (tmp_path / f".vedit-{here}-2147483647-{code}").symlink_to(precious)
    with whole_file(tmp_path / "b.mp4"):
        pass
    assert left(tmp_path) == ["a.mp4", "b.mp4", "precious"]
    assert left(precious) == ["thesis.txt"]
