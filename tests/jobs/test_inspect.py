"""``vedit inspect``: the pictures of an annotator as a clip, its options by --set, and one line for what is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.clip.making import make_video, picture_clip
from tests.conftest import Ran
from vedit.annotators.edge import Edge
from vedit.clip import Clip, probe, read_clip
from vedit.config import InspectConfig
from vedit.errors import VeditWarning
from vedit.jobs import run
from vedit.sheet import CAPTION, GAP

Command = Callable[..., Ran]


def test_the_result_has_the_clips_size_rate_and_sound(vedit: Command, toy_clip: Path, tmp_path: Path) -> None:
    output, sheet = tmp_path / "lines.mp4", tmp_path / "sheet.png"
    ran = vedit("inspect", "edge", toy_clip, "-o", output, "--sheet", sheet)
    assert (ran.status, ran.out) == (0, f"{output}\n{sheet}\n"), ran.err
    found, source = probe(output), probe(toy_clip)
    assert (found.size, found.rate, found.frames) == (source.size, source.rate, source.frames)
    assert found.has_sound
    rows = np.asarray(Image.open(sheet))
    middle = GAP + CAPTION + 3 * 30  # pictures this small are shown larger
    assert len(np.unique(rows[GAP + CAPTION : middle, -3 * 46 :])) > 20, "the source above"
    below = rows[middle + GAP :, -3 * 46 :].reshape(-1, 3)
    assert (below > 250).all(1).any()
    assert (below < 5).all(1).any()


def test_it_is_named_after_the_clip(
    vedit: Command, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert vedit("inspect", "edge", toy_clip, "--frames", 1).out == "toy-edge.mp4\n"
    assert probe(tmp_path / "toy-edge.mp4").frames == 1
    assert "exists already" in vedit("inspect", "edge", toy_clip, "--frames", 1).complaint
    assert vedit("inspect", "edge", toy_clip, "--frames", 2, "--overwrite").status == 0
    assert probe(tmp_path / "toy-edge.mp4").frames == 2


def test_frames_are_chosen_as_for_an_edit(tmp_path: Path) -> None:
    path = make_video(tmp_path / "source.mp4")
    config = {"kind": "edge", "clip": path, "output": tmp_path / "o", "start": 1, "stride": 2, "frames": 3}
    result = run(InspectConfig(**config))
    source = read_clip(path, start=1, stride=2, frames=3)
    assert (len(result.clip), result.clip.rate) == (3, source.rate)
    assert [file.name for file in result.files] == ["o"]
    assert torch.equal(read_clip(tmp_path / "o").frames, result.clip.frames), "PNGs lose nothing"


def test_it_looks_at_a_size_and_writes_at_the_clips_own(toy_clip: Path, tmp_path: Path) -> None:
    result = run(InspectConfig(kind="edge", clip=toy_clip, output=tmp_path / "o.mp4", size=92))
    assert result.annotation.frames.shape[-2:] == (60, 92)
    assert result.clip.size == probe(tmp_path / "o.mp4").size == (30, 46)


def test_it_goes_twice_over_a_damaged_clip_and_tells_of_it_once(vedit: Command, tmp_path: Path) -> None:
    noise = torch.rand(40, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    Clip((picture_clip(40, (96, 128)).frames + 0.2 * noise).clamp(0, 1), Fraction(10)).save(tmp_path / "a.mp4")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 6000] = np.random.default_rng(0).bytes(6000)
    (tmp_path / "a.mp4").write_bytes(data)
    output = tmp_path / "o"
    assert "cannot be decoded; it is damaged" in vedit("inspect", "edge", tmp_path / "a.mp4", "-o", output).complaint
    assert not output.exists()
    ran = vedit("inspect", "edge", tmp_path / "a.mp4", "-o", output, "--allow-partial")
    assert (ran.status, ran.err.count("damaged")) == (0, 1)
    with pytest.warns(VeditWarning, match="damaged"):
        whole = read_clip(tmp_path / "a.mp4", allow_partial=True)
    whole.with_frames(Edge().annotate(whole).frames).save(tmp_path / "whole")
    assert [each.read_bytes() for each in sorted(output.iterdir())] == [
        each.read_bytes() for each in sorted((tmp_path / "whole").iterdir())
    ]


def test_options_of_the_kind(vedit: Command, toy_clip: Path, tmp_path: Path) -> None:
    def lit(*options: object) -> float:
        assert vedit("inspect", "edge", toy_clip, "-o", tmp_path / "o", "--overwrite", *options).status == 0
        return float(read_clip(tmp_path / "o").frames.mean())

    assert lit("--set", "low=1", "--set", "high=2", "--set", "blur=0") > lit("--set", "low=1999") == 0
    settings = tmp_path / "look.yaml"
    settings.write_text(f"kind: edge\nclip: {toy_clip}\noptions:\n  low: 1999\n")
    assert lit("--config", settings) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["edgee", "CLIP"], "KIND: 'edgee' is unknown; did you mean 'edge'?"),
        (["xyzzy", "CLIP"], "KIND: 'xyzzy' is unknown; expected one of edge"),
        ([], "no command given; `vedit inspect --help` lists them"),
        (["edge"], "CLIP is missing; for example: vedit inspect edge"),
        (["edge", "no.mp4"], "no.mp4 does not exist"),
        (["edge", "CLIP", "--set", "lo=5"], "edge: lo: there is no such setting; did you mean 'low'?"),
        (["edge", "CLIP", "--set", "low=-5"], "edge: low: -5 is out of range; expected 0..2000"),
        (["edge", "CLIP", "--set", "low=soft"], "edge: low: 'soft' is not a number"),
        (["edge", "CLIP", "--set", "low=9", "--set", "high=3"], "low is 9 and high 3; expected low"),
        (["edge", "CLIP", "--set", "low=-5", "--set", "blur=99"], "2 faults"),
        (["edge", "CLIP", "--set", "low"], "expected key=value"),
        (
            ["soft_edge", "CLIP", "--set", "detector=hedd"],
            "soft_edge: detector: 'hedd' is unknown; did you mean 'hed'?",
        ),
        (["soft_edge", "CLIP"], "pip install 'vedit[annotators]'"),
        (["depth", "CLIP", "--set", "weights=."], "dpt_hybrid-midas-501f0c75.pt is not there"),
        (["edge", "CLIP", "--save-data", "edges.json"], "leave --save-data"),
        (["edge", "CLIP", "--sheet", "sheet.jpg"], "written as .png"),
        (["edge", "CLIP", "--sheet", "no/sheet.png"], "the folder no does not exist"),
        (["edge", "CLIP", "--save-data", "s.png", "--sheet", "s.png"], "the same file"),
        (["edge", "CLIP", "-o", "o.avi"], ".avi cannot be written"),
        (["edge", "CLIP", "-o", "CLIP"], "is the clip itself"),
        (["edge", "CLIP", "--start", "5"], "start 5 is past its end"),
        (["edge", "CLIP", "--device", "cuda:99"], "cuda:99"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(
    vedit: Command,
    toy_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ["controlnet_aux", *(name for name in sys.modules if name.startswith("controlnet_aux."))]:
        monkeypatch.setitem(sys.modules, name, None)
    assert said in vedit("inspect", *(toy_clip if each == "CLIP" else each for each in arguments)).complaint
    assert list(tmp_path.iterdir()) == []


def test_help_shows_the_flags_and_imports_a_part_only_for_its_own_options(vedit: Command) -> None:
    code = "import sys\nfrom vedit.cli import main\nmain(['inspect', '--help'])\nassert 'torch' not in sys.modules"
    listed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert {"edge", "audio"} <= set(listed.split())
    shown = vedit("inspect", "edge", "--help").out
    assert {"CLIP", "--save-data", "--sheet", "--set", "blur"} <= set(shown.replace("[", " ").split())
    assert "--options" not in shown
