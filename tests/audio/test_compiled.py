"""What numba compiles of librosa lies where no two processes write at once."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vedit
from vedit.audio.compiled import FolderOfOurOwn

ROOT = Path(vedit.__file__).parent

BEATS = """
import sys
import numpy as np
from vedit.audio.compiled import librosa
strength = np.zeros(600, sys.argv[1])
strength[::20] = 1
print(librosa.beat.beat_track(onset_envelope=strength, sr=100, hop_length=1, bpm=300, trim=False)[1].tolist())
"""


def run(cache: Path, *types: str) -> list[str]:
    """What processes print that look for beats at once, each in numbers of another type; with a fresh environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", BEATS, each],
            env=environment | {"VEDIT_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for each in types
    ]
    said = [process.communicate()[0] for process in begun]
    assert [process.returncode for process in begun] == [0] * len(begun)
    return said


def compiled(cache: Path) -> dict[str, int]:
    """The files with compiled code, and when each was written."""
    found = (cache / "numba").rglob("*.nb[ci]")
    return {path.relative_to(cache / "numba").as_posix(): path.stat().st_mtime_ns for path in found}


def test_one_folder_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    first, second = FolderOfOurOwn(tmp_path), FolderOfOurOwn(tmp_path)
    assert [first.path, second.path] == [tmp_path / "0", tmp_path / "1"]
    del first
    assert FolderOfOurOwn(tmp_path).path == tmp_path / "0"


def test_where_nothing_can_be_kept_it_is_kept_as_long_as_the_process_runs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = FolderOfOurOwn(tmp_path / "file")
    path = folder.path
    assert path.is_dir()
    assert not path.is_relative_to(tmp_path)
    del folder
    assert not path.exists()


def test_librosa_comes_in_by_one_door() -> None:
    def imported(path: Path) -> set[str]:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        return names | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}

    found = {path for path in ROOT.rglob("*.py") if any(each.split(".")[0] == "librosa" for each in imported(path))}
    assert found == set()


@pytest.mark.slow
def test_processes_that_compile_at_once_do_not_meet(tmp_path: Path) -> None:
    together = run(tmp_path, "float32", "float64", "float32", "float64")
    assert len({*together}) == 1
    assert {name.split("/")[0] for name in compiled(tmp_path)} == {"0", "1", "2", "3"}
    others = {name: at for name, at in compiled(tmp_path).items() if not name.startswith("0/")}
    for each in ("float32", "float64"):  # one after the other: both use the first folder
        assert run(tmp_path, each) == together[:1]
    after = compiled(tmp_path)
    assert {name: at for name, at in after.items() if not name.startswith("0/")} == others
    run(tmp_path, "float32")
    assert compiled(tmp_path) == after
