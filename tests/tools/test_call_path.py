"""The calls between files are those that a reader follows."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tools.call_path import record, table

FILES = {
    "__init__.py": "",
    "one.py": """
from walked import two

def go():
    two.plain()
    for _ in two.several():
        pass
    sorted([2, 1], key=two.by_library)
    two.late()

def called_back():
    pass
""",
    "two.py": """
from walked import one

def plain():
    within()

def within():
    one.called_back()

def several():
    yield from range(5)

def by_library(number):
    return number

def late():
    from walked import three
    three.found()
""",
    "three.py": """
from walked import one

one.called_back()

def found():
    pass
""",
}


@pytest.fixture
def walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "walked").mkdir()
    for name, text in FILES.items():
        (tmp_path / "walked" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("walked.one")
    for name in [name for name in sys.modules if name.split(".")[0] == "walked"]:
        del sys.modules[name]


def test_calls_from_file_to_file_are_counted(walked: ModuleType) -> None:
    moves = record(walked.go, Path(walked.__file__ or "").parent)
    assert moves == Counter(
        {
            (("one.py", "go"), ("two.py", "plain")): 1,
            (("two.py", "within"), ("one.py", "called_back")): 1,
            (("one.py", "go"), ("two.py", "several")): 1,  # not once for each value
            (("one.py", "go"), ("two.py", "by_library")): 2,
            (("one.py", "go"), ("two.py", "late")): 1,
            (("two.py", "late"), ("three.py", "found")): 1,  # and nothing that importing it calls
        }
    )
    assert table(moves) == [("one.py", "two.py", 5, 1), ("two.py", "three.py", 1, 0)]
