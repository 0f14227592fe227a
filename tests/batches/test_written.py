"""Settings that know where they stand."""

from __future__ import annotations

from pathlib import Path

from vedit.batches.written import Assigned, Place, Written, level_of

PLACE = Place(3, {"seed": Place(4), "product": Place(5, {"negative-prompt": Place(6, {"0": Place(7), "1": Place(8)})})})
WRITTEN = Written({"seed": 1}, "j.yaml", Path("/somewhere"), "job 2", PLACE)


def test_a_setting_is_named_with_its_file_line_and_job() -> None:
    assert WRITTEN.where == "j.yaml:3: job 2"
    assert WRITTEN.label("seed") == "j.yaml:4: job 2: seed"
    assert WRITTEN.label("steps") == "j.yaml:3: job 2: steps", "one that is not there, where the others begin"


def test_what_stands_within_has_its_own_line() -> None:
    product = WRITTEN.within("product", values={}, part="job 2: product")
    assert product.label("negative_prompt") == "j.yaml:6: job 2: product: negative_prompt"
    second = product.within("negative_prompt", "1", values={"negative_prompt": "mud"})
    assert second.label("negative_prompt") == "j.yaml:8: job 2: product: negative_prompt"
    assert second.within("unknown", values={}).where == "j.yaml:8: job 2: product"


def test_settings_of_no_file_are_named_as_they_were_given() -> None:
    given = Assigned({"seed": 1}, "", Path("/somewhere"), said=lambda key: f"--set {key}")
    assert given.label("seed") == "--set seed"
    assert given.without("seed").label("steps") == "--set steps"


def test_axes_are_told_from_settings() -> None:
    faults: list[str] = []
    level = level_of({"negative-prompt": "mud", "product": {"seed": [1, 2]}, "sweep": {"crf": "1..3"}}, WRITTEN, faults)
    assert faults == []
    assert level.settings.values == {"negative_prompt": "mud"}
    assert {kind: dict(axes.values) for kind, axes in level.axes.items()} == {
        "product": {"seed": [1, 2]},
        "sweep": {"crf": "1..3"},
    }
    assert level.names == {"negative_prompt", "seed", "crf"}


def test_one_setting_under_two_spellings_is_given_twice() -> None:
    faults: list[str] = []
    level_of({"negative-prompt": "mud", "negative_prompt": "rain"}, WRITTEN, faults)
    assert faults == ["j.yaml:3: job 2: 'negative_prompt' is given twice"]
