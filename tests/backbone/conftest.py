"""Toy models shared by the tests of the backbone, made once for a session. Tests copy what they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backbone import toys


@pytest.fixture(scope="session")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with SD 1.5's layout."""
    return toys.sd_folder(tmp_path_factory.mktemp("models") / "sd1")


@pytest.fixture(scope="session")
def sd2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with SD 2.1's layout, predicting v."""
    return toys.sd_folder(tmp_path_factory.mktemp("models") / "sd2", linear=True, prediction="v_prediction")


@pytest.fixture(scope="session")
def tune_a_video(tmp_path_factory: pytest.TempPathFactory, sd1: Path) -> Path:
    """A pipeline as Tune-A-Video saves it, with the weights of the original code."""
    return toys.tune_a_video_folder(tmp_path_factory.mktemp("models") / "tune-a-video", sd1)
