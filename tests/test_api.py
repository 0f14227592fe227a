"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import vedit


def test_each_name_has_a_home() -> None:
    assert set(vedit.__all__) - {"__version__"} == set(vedit._HOMES)


@pytest.mark.parametrize("name", vedit.__all__)
def test_every_name_can_be_had(name: str) -> None:
    assert getattr(vedit, name) is not None
    assert name in dir(vedit)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'edti'"):
        _ = vedit.edti  # type: ignore[attr-defined]


@pytest.mark.parametrize("statement", ["import vedit", "import vedit.cli", "import vedit; vedit.EditConfig"])
def test_importing_brings_in_nothing_heavy(statement: str) -> None:
    heavy = "{'torch', 'numpy', 'diffusers', 'transformers', 'av', 'PIL'}"
    code = f"{statement}\nimport sys\nprint(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
