"""The rows of the benchmark of speed are ways that there are, and its columns compare what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from benchmarks import speed
from vedit.config import EditConfig, GenerateConfig, Settings, TuneConfig


@pytest.mark.parametrize(
    ("kind", "ways"), [(EditConfig, speed.EDITS), (GenerateConfig, speed.FRESH), (TuneConfig, speed.TUNINGS)]
)
def test_each_row_is_of_settings_that_there_are(kind: type[Settings], ways: Mapping[str, Mapping[str, Any]]) -> None:
    given = {"prompt": "a cat", **({} if kind is GenerateConfig else {"clip": "a.mp4"})}
    made = {title: kind.model_validate({**given, **each}) for title, each in ways.items() if each.get("steps") != 0}
    assert len(set(map(repr, made.values()))) == len(made), "no two rows are the same"


def test_columns() -> None:
    def figures(passes: float, seconds: float, changed: float) -> list[dict[str, Any]]:
        quality = {"changed": changed, "kept": 1.0, "unchanged": 35.0, "track": 2.0, "warp": 1.0}
        return [{"change": "shape", "passes": passes, "seconds": seconds, **quality}] * 3

    base, quick = figures(150.0, 20.0, 1.0), figures(50.0, 8.0, 0.4)
    row = dict(zip(speed.HEAD, speed.line("quick", quick, base), strict=True))
    assert (row["passes"], row["times fewer"], row["CPU s"], row["times quicker"]) == ("50.0", "3.00", "8.0", "2.50")
    assert row["attributes right"] == "80 % [80, 80]"
    assert speed.times(figures(0.0, 0.0, 1.0), base, "passes") == ""
