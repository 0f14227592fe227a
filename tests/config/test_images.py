"""Pictures as they are written on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from vedit.config import EditConfig, ImageSettings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("look.png", {}),
        ("look.png:0.6", {"weight": 0.6}),
        ("0:look.png", {"time": "0"}),
        ("2s:look.png", {"time": "2s"}),
        ("8b:look.png:0.5:layers=style@0-0.6", {"time": "8b", "weight": 0.5, "layers": "style", "stop": 0.6}),
        ("look.png:[0:1, 2s:0]", {"weight": "0:1, 2s:0"}),
        ("look.png:[loudness]:layers=4,5", {"weight": "loudness", "layers": (4, 5)}),
        ("look.png:mask=where.png", {"mask": Path("where.png")}),
        ("12.png", {"file": Path("12.png")}),
    ],
)
def test_a_picture_as_text(text: str, expected: dict[str, Any]) -> None:
    read = ImageSettings.model_validate(text)
    assert read == ImageSettings(**{"file": Path("look.png"), **expected})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("look.png:high", "has the part 'high'"),
        ("look.png:4", "out of range; expected 0..3"),
        ("look.png:1:2", "has weight twice"),
        ("look.png:layers=best", "are no layers; expected all, style, layout"),
        ("look.png:layers=-1", "are no layers"),
        ("look.png@0.8-0.2", "the window ends before it begins"),
        ("look.png@often", "has the window 'often'"),
        (":0.5", "is no path"),
    ],
)
def test_what_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ImageSettings.model_validate(text)


def test_pictures_are_among_the_files_that_are_read() -> None:
    config = EditConfig(clip="a.mp4", prompt="a cat", image=("0:a.png", "2s:b.png:mask=c.png"), negative_image="d.png")
    assert [each.path.name for each in config.files_read()] == ["a.mp4", "a.png", "b.png", "c.png", "d.png"]
