"""Whatever is given, the command ends well or with one line that says why not, within limits, and loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.odd.running import FAMILIES, judged

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("family", FAMILIES)
def test_odd_inputs(family: str, tmp_path: Path) -> None:
    outcomes = tmp_path / "outcomes.json"
    subprocess.run(
        [sys.executable, "-m", "tests.odd.running", family, "--json", str(outcomes)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    found = json.loads(outcomes.read_text())
    assert len(found) >= FAMILIES[family]
    wrong = [f"{each['name']}: {each['faults']} {each['said']}" for each in found if each["faults"]]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("status", "said", "fault"),
    [
        (0, "", None),
        (0, "warning: the clip is dark\n", None),
        (2, "error: no such file\n", None),
        (1, "error: a fault of vedit's own, KeyError: 'x'\n", "exit status 1"),
        (-9, "", "exit status -9"),
        (2, "error: one\nerror: two\n", "2 error lines"),
        (0, "error: one\n", "beside success"),
        (2, f"error: {'x' * 400}\n", "a line of 407"),
        (2, "error: \x1b[2J\n", "terminal"),
        (0, "Token indices sequence length is longer\n", "a library's"),
    ],
)
def test_what_is_wrong_with_an_outcome(status: int, said: str, fault: str | None) -> None:
    found = judged(status, "", said)
    assert (not found) if fault is None else any(fault in each for each in found)
