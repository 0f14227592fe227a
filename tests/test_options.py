"""What editors and ``help`` are told of the settings is what the configs say."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

import vedit
from tools.options import JOBS
from vedit.config import ControlSettings, Settings
from vedit.config.describe import options, type_of

FUNCTIONS = {
    "EditOptions": "edit",
    "GenerateOptions": "generate",
    "AnimateOptions": "animate",
    "TuneOptions": "tune",
    "InvertOptions": "invert",
    "UpscaleOptions": "upscale",
    "InspectOptions": "inspect",
    "InspectAudioOptions": "inspect_audio",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signature_and_help_tell_each_setting(name: str) -> None:
    function = getattr(vedit, FUNCTIONS[name])
    kind, apart = JOBS[name]
    shown = inspect.signature(function).parameters
    told = inspect.getdoc(function) or ""
    assert set(apart) <= shown.keys()
    assert "settings" not in shown
    assert "model" not in shown
    for each in options(kind, apart):
        assert shown[each.name].kind is inspect.Parameter.KEYWORD_ONLY
        assert shown[each.name].default == each.default
        assert str(shown[each.name].annotation) == each.type
        assert f"    {each.name} (" in told
        assert " ".join(each.description.split()[:4]) in " ".join(told.split())
    assert "'" not in str(inspect.signature(function)).split("attention: ")[-1].split(" =")[0], "types without quotes"


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (int | None, "int | None"),
        (Annotated[Path, "anything"] | None, "str | Path | None"),
        (float | str, "float | str"),
        (Literal["a", "b"], 'Literal["a", "b"]'),
        (tuple[str, ...], "str | Sequence[str]"),
        (tuple[float, ...], "Sequence[float]"),
        (tuple[ControlSettings, ...], "str | dict[str, Any] | Sequence[str | dict[str, Any] | ControlSettings]"),
        (dict[str, Any], "dict[str, Any]"),
    ],
)
def test_a_type_says_what_may_be_given(annotation: Any, said: str) -> None:
    assert type_of(annotation) == said


@pytest.mark.parametrize("name", JOBS)
def test_the_written_types_can_be_evaluated(name: str) -> None:
    from numpy.typing import NDArray
    from torch import Tensor

    from vedit import config
    from vedit.config import options as written

    names = {**vars(config), "Tensor": Tensor, "NDArray": NDArray}
    hints = typing.get_type_hints(getattr(written, name), localns=names)
    kind: type[Settings] = JOBS[name][0]
    assert hints.keys() == kind.model_fields.keys() - {*JOBS[name][1], "model"}
