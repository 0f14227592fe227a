"""A message is one line that a terminal shows as it is, whatever was given."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran
from vedit.errors import LONGEST, VeditError, VeditWarning, WeightsError


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    said = str(WeightsError(f"'{'x' * 100_000}' is no tensor; fetch the file again."))
    assert len(said) <= LONGEST
    assert said.startswith("'xxx")
    assert said.endswith("xxx' is no tensor; fetch the file again.")
    assert " ... " in said


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    said = str(VeditError("the tensor '\x1b[2Jgone\x07\u202e'\r\nis  unknown"))
    assert said == "the tensor '\\x1b[2Jgone\\x07\\u202e' is unknown"
    assert str(VeditError("Katze über Gras, 猫 🐈")) == "Katze über Gras, 猫 🐈"


def test_warnings_too() -> None:
    with pytest.warns(VeditWarning) as caught:
        warnings.warn("a\x1b[31m" + "b" * 1000, VeditWarning, stacklevel=1)
    assert str(caught[0].message).startswith("a\\x1b[31mbb")
    assert len(str(caught[0].message)) <= LONGEST


def test_very_many_faults_are_counted(vedit: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("".join(f"setting{index}: 1\n" for index in range(3000)))
    told = vedit("edit", "a.mp4", "a cat", "--config", tmp_path / "s.yaml").complaint
    assert told.startswith("error: 3000 faults: (1) s.yaml:1: setting0: there is no such setting")
    assert told.rpartition("; and ")[2].endswith(" more")
    assert len(told) < 400


def test_faults_of_usage_are_cut(vedit: Callable[..., Ran]) -> None:
    assert len(vedit("edit", "a.mp4", "a cat", f"--{'x' * 5000}").complaint) < 400
