"""The house has floors: a module imports only from its own and those below."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import vedit

ROOT = Path(vedit.__file__).parent

FLOORS = [
    {"errors", "files"},
    {"synonyms", "registry", "progress", "atomic", "otsu", "timeline", "warning_filters", "machine"}
    | {"shots", "windows", "mapped"},
    {"clip", "schedule", "miniature", "graph"},
    {"sheet", "compare", "config", "flow", "key_frames", "audio", "printing", "report"},
    {"part"},
    {"attention", "prompt"},
    {"request", "entrances", "condition"},
    {"backbone"},
    {"adapters"},
    {"sampling"},
    {"quality", "session", "seams"},
    {"masks", "motion", "annotators", "conditioners", "priors", "metrics", "tuning"},
    {"stages"},
    {"network_cost"},
    {"jobs"},
    {"estimate", "doctor"},
    {"batches"},
    {"cli"},
    {"__main__"},
]
"""From the ground up. Packages and modules of ``vedit``; those of one floor may know each other."""

FLOOR_OF = {name: number for number, names in enumerate(FLOORS) for name in names}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def imported(path: Path) -> set[str]:
    """The parts of vedit that a file imports, wherever in it."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        parts |= {name.split(".")[1] for name in names if name.startswith("vedit.")}
    return parts - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_from_its_own_floor_or_below(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert own in FLOOR_OF, f"{own} has no floor yet: place it in FLOORS"
    above = sorted(name for name in imported(path) if FLOOR_OF[name] > FLOOR_OF[own])
    assert not above, f"{path.relative_to(ROOT)} reaches up to {above}"


def test_the_light_modules_stay_light() -> None:
    light = {
        "errors",
        "files",
        "registry",
        "progress",
        "atomic",
        "timeline",
        "config",
        "synonyms",
        "printing",
        "cli",
    }
    for path in (each for each in MODULES if each.relative_to(ROOT).parts[0].removesuffix(".py") in light):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        heads = {
            alias.name.split(".")[0] for node in tree.body if isinstance(node, ast.Import) for alias in node.names
        } | {(node.module or "").split(".")[0] for node in tree.body if isinstance(node, ast.ImportFrom)}
        assert not heads & {"torch", "numpy", "diffusers", "transformers", "av", "PIL", "rich"}, path


LOADERS = {
    "adapters/motion.py",
    "backbone/loading.py",
    "backbone/control.py",
    "backbone/image_encoder.py",
    "network_cost.py",
}
"""What needs a model's classes to be there at all. The others import them when they are used: diffusers takes seconds,
and what is wrong with a job is told before."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_diffusers_is_imported_where_models_are_loaded(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    heads = {(node.module or "").split(".")[0] for node in tree.body if isinstance(node, ast.ImportFrom)}
    loading = {"vedit.backbone.loading", "vedit.adapters.loading", "vedit.adapters.motion"}
    heavy = {"diffusers", "transformers"} | (loading if path.parent.name == "jobs" else set())
    whole = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not (heads | whole) & heavy or str(path.relative_to(ROOT)) in LOADERS


LONGEST = 60
"""Lines of a function, its docstring left out."""


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[0]
    told = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if told else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_is_no_longer_than_a_screen(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    found = {each.name: length(each) for each in nodes if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert {name: lines for name, lines in found.items() if lines > LONGEST} == {}
