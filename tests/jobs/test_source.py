"""The clip of a job: what is wrong with it is told before a model is opened."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from vedit.clip import read_clip
from vedit.config import EditConfig, InvertConfig, TuneConfig
from vedit.errors import MediaError, VeditWarning
from vedit.graph import Run
from vedit.jobs.source import ClipJob, Footage
from vedit.session import Session


@pytest.fixture
def cut_clip(toy_clip: Path, tmp_path: Path) -> Path:
    """The toy clip in a file that tells what it lacks."""
    whole = tmp_path / "cut.gif"
    read_clip(toy_clip).save(whole)
    whole.write_bytes(whole.read_bytes()[:-200])
    return whole


@pytest.mark.parametrize("kind", [EditConfig, TuneConfig, InvertConfig])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"start": 5}, "has 5 frames, so start 5 is past its end"),
        ({"frames": 6}, "has 5 frames: 5 from 0 on by steps of 1, not 6"),
        ({"frames": 3, "stride": 2, "start": 1, "allow_partial": True}, "2 from 1 on by steps of 2, not 3"),
    ],
)
def test_too_few_frames_are_told_before_a_model_is_opened(
    kind: type[ClipJob],
    settings: dict[str, object],
    said: str,
    toy_clip: Path,
) -> None:
    common = {"clip": toy_clip} | ({} if kind is InvertConfig else {"prompt": "a cat"})
    with pytest.raises(MediaError, match=said):
        Footage.of(kind.model_validate(common | settings), None)


def test_damage_is_told_before_a_model_is_opened(cut_clip: Path) -> None:
    with pytest.raises(MediaError, match=r"cut short; .* --allow-partial"):
        Footage.of(InvertConfig(clip=cut_clip), None)


def test_damage_that_is_allowed_is_told_once(cut_clip: Path, toy_model: Path) -> None:
    config = InvertConfig(clip=cut_clip, model=str(toy_model), device="cpu", allow_partial=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", VeditWarning)
        footage, session = Footage.of(config, None), Session()
        size = footage.working_size(config, session.open(config).outline)
        clip = Run(session)(footage.stage(config, size))
    assert len(clip) == footage.frames > 1
    assert len([each for each in told if "cut short" in str(each.message)]) == 1
