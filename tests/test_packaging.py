"""What a wheel takes along beside the code, and what it asks for: all that is imported, and nothing more."""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from vedit.doctor import EXTRAS, LIBRARIES

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = [path.name for path in ROOT.iterdir() if any(path.glob("*.py"))]
OURS = {*FOLDERS, "toy_plugin"}

BROUGHT = {
    "pydantic_core": "pydantic",
    "tokenizers": "transformers",
    "torchvision": "controlnet_aux",
    "packaging": "pytest",
    "numba": "librosa",
}
"""Modules that are imported, and whose versions are the affair of who brings them."""

UNIMPORTED = {
    "timm": "controlnet_aux imports it and does not ask for it",
    "pytest-timeout": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "setuptools": "builds the toy plugin",
    "ruff": "a command",
    "mypy": "a command",
    "types-pyyaml": "read by mypy",
    "poethepoet": "a command",
}
"""Distributions that are declared without being imported, and why."""

NAMES = {"PIL": "pillow", "cv2": "opencv-python-headless", "yaml": "pyyaml", "scenedetect": "scenedetect-headless"}
"""Modules whose distribution has another name."""


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    """The distributions that the package asks for, or that these extras of it do."""
    lists = [PYPROJECT["project"]["optional-dependencies"][each] for each in extras]
    asked = [entry for each in lists for entry in each] if extras else PYPROJECT["project"]["dependencies"]
    return {normal(re.match(r"[\w.-]+", entry)[0]) for entry in asked}


def imported(*folders: str) -> Iterator[tuple[str, bool]]:
    """Top-level modules that files import or name in ``import_module``, and whether they must be there for all."""
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split(".")[0], True) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0], True
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "_need"):
                texts = (each.value for each in node.args if isinstance(each, ast.Constant))
                yield from ((text.split(".")[0], False) for text in texts)


def distributions(modules: Iterator[tuple[str, bool]], *, optional: bool = True) -> set[str]:
    """What brings these modules, but for Python's own and this project's."""
    named = {module for module, needed in modules if needed or optional}
    return {normal(NAMES.get(each, each)) for each in named - OURS - set(BROUGHT) - set(sys.stdlib_module_names)}


def test_every_import_is_declared() -> None:
    extras = set(EXTRAS)
    assert distributions(imported("vedit"), optional=False) <= declared() | declared(*extras)
    development = distributions(imported(*FOLDERS), optional=False)
    assert development <= declared() | declared("test", "docs") | declared(*extras)


def test_everything_declared_is_imported() -> None:
    used = distributions(imported("vedit"))
    assert declared() - used - set(UNIMPORTED) == set()
    assert declared(*EXTRAS) - used - set(UNIMPORTED) - set(BROUGHT) == set()
    assert declared("test") - distributions(imported("tests")) - set(UNIMPORTED) == set()


def test_what_others_bring_is_brought() -> None:
    assert {normal(each) for each in BROUGHT.values()} <= declared() | declared("test", *EXTRAS)


def test_the_lock_fits_what_is_asked_for() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split(" ;")[0].split("==") for line in lines if not line.startswith("#"))
    lists = {"": PYPROJECT["project"]["dependencies"], **PYPROJECT["project"]["optional-dependencies"]}
    del lists["pose"]  # asks for another numpy
    asked = [Requirement(entry) for entries in lists.values() for entry in entries]
    for each in (each for each in asked if each.name != "vedit"):
        pin = pins.get(normal(each.name))
        assert pin is not None, f"{each.name} is not in constraints.txt: `poe lock`"
        assert each.specifier.contains(pin), f"constraints.txt has {pin} for {each}: `poe lock`"


def test_names_of_distributions_are_as_installed() -> None:
    installed = {module: {normal(each) for each in names} for module, names in packages_distributions().items()}
    for module, name in NAMES.items():
        assert name in installed[module], f"{module} is brought by {installed[module]}"


@pytest.mark.parametrize("extra", EXTRAS)
def test_doctor_looks_for_what_an_extra_brings(extra: str) -> None:
    assert {normal(each) for each in EXTRAS[extra]} == declared(extra)


def test_doctor_shows_versions_of_what_is_asked_for() -> None:
    assert {normal(each) for each in LIBRARIES} <= declared()


def test_doctor_knows_every_extra_of_users() -> None:
    assert set(PYPROJECT["project"]["optional-dependencies"]) - set(EXTRAS) == {"test", "docs", "dev"}


def test_every_file_of_an_embedded_model_is_taken(sd1: Path, tmp_path: Path) -> None:
    weights = Path(shutil.copytree(sd1, tmp_path / "weights"))
    (weights / "tokenizer" / "tokenizer.json").touch()
    (weights / "vedit.json").touch()
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["vedit.miniature"]
    taken = {path for pattern in patterns for path in tmp_path.glob(pattern)}
    assert taken == {path for path in weights.rglob("*") if path.is_file()}
