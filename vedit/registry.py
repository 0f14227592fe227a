"""Names of parts, and where each lives: "kind": "module:Class" tables, and entry points for third parties.

Looking at a table imports no part, so ``vedit --help`` and ``vedit parts`` stay quick. A new part is one file and
one row here, or an entry point in another package::

    [project.entry-points."vedit.attention"]
    my_kind = "my_package.kinds:MyKind"
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vedit.errors import PartError
from vedit.synonyms import nearest

TABLES: Mapping[str, Mapping[str, str]] = {
    "annotators": {
        "edge": "vedit.annotators.edge:Edge",
        "soft_edge": "vedit.annotators.learned:SoftEdge",
        "depth": "vedit.annotators.learned:Depth",
        "lineart": "vedit.annotators.learned:LineArt",
        "pose": "vedit.annotators.pose:Pose",
        "flow": "vedit.annotators.flow:OpticalFlow",
        "tile": "vedit.annotators.tile:Tile",
    },
    "attention": {
        "per_frame": "vedit.attention.kinds:PerFrame",
        "sparse_causal": "vedit.attention.kinds:SparseCausal",
        "first_frame": "vedit.attention.kinds:FirstFrame",
        "full": "vedit.attention.kinds:Full",
        "ends": "vedit.attention.kinds:Ends",
        "flow": "vedit.attention.flow:FlowGuided",
        "first_frame_flow": "vedit.attention.flow:FirstFrameFlow",
    },
    "conditioners": {
        "control": "vedit.conditioners.control:Control",
        "audio": "vedit.conditioners.audio:Audio",
        "strokes": "vedit.conditioners.strokes:Strokes",
    },
    "priors": {
        "inversion": "vedit.priors.inversion:Inversion",
        "gaussian": "vedit.priors.gaussian:Gaussian",
        "shared": "vedit.priors.gaussian:Shared",
        "walk": "vedit.priors.gaussian:Walk",
        "reshuffled": "vedit.priors.reshuffled:Reshuffled",
        "flow_warped": "vedit.priors.flow_warped:FlowWarped",
        "bounce": "vedit.priors.bounce:Bounce",
    },
}
"""For each family of parts, the kinds that ship with vedit."""


@cache
def _third_party(family: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"vedit.{family}")}


def names(family: str) -> dict[str, str]:
    """Every kind of a family with the "module:Class" it stands for, vedit's own first. Imports no part."""
    return {**TABLES[family], **{name: point.value for name, point in _third_party(family).items()}}


def docstring(family: str, kind: str) -> str:
    """What a part's class says of itself, read from its file, since importing it may take seconds; empty where there
    is no such file, or nothing in it."""
    module, _, name = names(family)[kind].partition(":")
    package, *inside = module.split(".")
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, *inside)
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        try:
            said = ast.parse(file.read_bytes()).body
        except (OSError, SyntaxError, ValueError):  # whoever uses the part is told
            continue
        return next(
            (ast.get_docstring(it) or "" for it in said if isinstance(it, ast.ClassDef) and it.name == name), ""
        )
    return ""


def load(family: str, kind: str) -> Any:
    """The class of one part.

    Raises PartError for an unknown kind (with the nearest name) and for a plug-in that cannot be imported.
    """
    own = TABLES[family].get(kind)
    if own is not None:
        module, _, name = own.partition(":")
        return getattr(import_module(module), name)
    point = _third_party(family).get(kind)
    if point is None:
        hint = nearest(kind, names(family))
        raise PartError(
            f"'{kind}' is not a kind of {family}; {hint}{'' if hint[-1] == '?' else '.'} `vedit parts` lists them."
        )
    try:
        return point.load()
    except Exception as error:  # a plug-in may fail in any way; the cause stays attached
        raise PartError(
            f"the plug-in '{kind}' ({point.value}) of {family} failed to load: {error}. Mend or uninstall it."
        ) from error
