"""Shared by all tests: nobody's own settings or cache, a small model, a small clip, and the command in this process."""

from __future__ import annotations

import os
import tempfile

# Toy models are faster on one thread, and far faster beside other work. Before anything imports PyTorch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test reaches the network. Before anything imports huggingface_hub.
os.environ["HF_HUB_OFFLINE"] = "1"

# numba, which librosa compiles its loops with, keeps them in one folder for all processes; where two compile the same
# function for other types at once, each may find the other's, and the process dies. So each worker has its own.
os.environ["NUMBA_CACHE_DIR"] = os.path.join(  # noqa: PTH118 (before anything is imported)
    tempfile.gettempdir(), f"vedit-tests-numba-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
)

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Where pytest-timeout is not installed, as on a machine lent for its GPU, tests have no limit."""
    if not pluginmanager.hasplugin("timeout"):
        parser.addini("timeout", "seconds that a test may take; heeded by pytest-timeout")


@pytest.fixture(autouse=True)
def _at_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes the user's settings and cache."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("VEDIT_CACHE", str(home / "cache"))
    monkeypatch.delenv("VEDIT_MODEL", raising=False)


@dataclass(frozen=True)
class Ran:
    """What the command left: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on stderr of a command that failed by the user's hand."""
        assert self.status == 2, self.err
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        return lines[0]


@pytest.fixture
def vedit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """The command, run in this process: ``vedit("edit", clip, "a cat", "--steps", 2)``."""
    from vedit.cli import main

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        status = main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        return Ran(status, out, err)

    return run


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of two levels, trained (so its config says) on pictures of 64 pixels."""
    from tests.backbone import toys

    return toys.sd_folder(tmp_path_factory.mktemp("models") / "toy", levels=2, layers=1)


@pytest.fixture(scope="session")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with SD 1.5's layout: four levels of two layers. Tests copy what they change."""
    from tests.backbone import toys

    return toys.sd_folder(tmp_path_factory.mktemp("models") / "sd1")


@pytest.fixture(scope="session")
def sd2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with SD 2.1's layout, predicting v. Tests copy what they change."""
    from tests.backbone import toys

    return toys.sd_folder(tmp_path_factory.mktemp("models") / "sd2", linear=True, prediction="v_prediction")


@pytest.fixture(scope="session")
def toy_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 5 frames, 46 x 30 pixels, at 29.97 frames per second, with sound."""
    import torch

    from vedit.clip import Audio, Clip

    across, down = torch.linspace(0, 1, 46).expand(30, 46), torch.linspace(0, 1, 30)[:, None].expand(30, 46)
    frames = torch.stack([torch.stack([(across + index / 10) % 1, down, 1 - across]) for index in range(5)])
    hum = torch.sin(torch.arange(8000) * 0.3)[None] * 0.2
    rate = Fraction(30000, 1001)
    path = tmp_path_factory.mktemp("clips") / "toy.mp4"
    Clip(frames, rate, Audio(hum[:, : int(5 / rate * 8000)], 8000)).save(path)
    return path
