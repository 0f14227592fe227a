"""Names of parts: ours, other packages', and wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from inspect import getdoc

import pytest

from vedit import registry
from vedit.attention.kinds import ATTENTION
from vedit.errors import PartError


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    points = [
        EntryPoint("borrowed", "fractions:Fraction", "vedit.attention"),
        EntryPoint("broken", "no_such_module:Kind", "vedit.attention"),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])
    registry._third_party.cache_clear()
    yield
    registry._third_party.cache_clear()


@pytest.mark.parametrize(("family", "kind"), [(f, kind) for f, kinds in registry.TABLES.items() for kind in kinds])
def test_every_row_of_the_tables_can_be_loaded(family: str, kind: str) -> None:
    assert isinstance(registry.load(family, kind), type)


@pytest.mark.usefixtures("plugins")
def test_what_a_part_says_of_itself_is_read_from_its_file() -> None:
    for kind in registry.TABLES["annotators"]:
        assert registry.docstring("annotators", kind) == getdoc(registry.load("annotators", kind))
    assert registry.docstring("attention", "broken") == ""
    assert registry.docstring("attention", "borrowed") == ""


def test_an_unknown_kind_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(PartError, match="did you mean 'sparse_causal'"):
        registry.load("attention", "sparse-causal")
    with pytest.raises(PartError, match="expected one of per_frame"):
        registry.load("attention", "xyzzy")


@pytest.mark.usefixtures("plugins")
def test_another_packages_parts_are_found_by_their_entry_points() -> None:
    assert registry.names("attention")["borrowed"] == "fractions:Fraction"
    assert registry.load("attention", "borrowed").__name__ == "Fraction"
    assert "borrowed" not in registry.names("priors")


@pytest.mark.usefixtures("plugins")
def test_a_plugin_that_is_no_part_is_refused() -> None:
    with pytest.raises(PartError, match=r"plug-in 'borrowed' \(fractions:Fraction\) of attention is no part"):
        ATTENTION.load("borrowed")


@pytest.mark.usefixtures("plugins")
def test_a_plugin_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(PartError, match=r"plug-in 'broken' \(no_such_module:Kind\)"):
        registry.load("attention", "broken")
