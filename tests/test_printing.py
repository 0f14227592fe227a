"""What a command tells, to people, quietly, and to programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ran
from vedit import registry
from vedit.printing import Report

Command = Callable[..., Ran]


def told(ran: Ran) -> dict[str, Any]:
    """The one object that stands on stdout."""
    content = json.loads(ran.out)
    assert isinstance(content, dict)
    assert ran.out.count("\n") == 1
    return content


def test_a_result_is_one_object(vedit: Command, tmp_path: Path, toy_clip: Path, toy_model: Path) -> None:
    flags = ("--model", toy_model, "--steps", 2, "--frames", 2, "-o", tmp_path / "a.mp4", "--device", "cpu")
    ran = vedit("edit", toy_clip, "a cat", *flags, "--json")
    assert ran.status == 0, ran.err
    found = told(ran)
    assert found["files"] == [str(tmp_path / "a.mp4"), str(tmp_path / "a.yaml")]
    assert {"vae_db", "reconstruction_db"} <= found["metrics"].keys()
    assert found["timings"]["denoising"] > 0
    assert found["clip"] == {
        "frames": 2,
        "width": 46,
        "height": 30,
        "fps": pytest.approx(29.97, abs=0.01),
        "sound": True,
    }
    assert "warnings" in found
    assert ran.err.count("warning: ") == len([line for line in found["warnings"] if f"warning: {line}" in ran.err])


def test_quiet_tells_what_was_written_alone(vedit: Command, tmp_path: Path, toy_clip: Path) -> None:
    ran = vedit("inspect", "edge", toy_clip, "-o", tmp_path / "edges.mp4", "-q")
    assert ran == Ran(0, f"{tmp_path / 'edges.mp4'}\n", "")
    assert vedit("inspect", "timeline", "1", "--quiet") == Ran(0, "", "")
    assert vedit("edit", "none.mp4", "x", "-q").complaint.startswith("error: ")


@pytest.mark.parametrize(
    "arguments", [["edit"], ["edit", "a.mp4", "x", "--stepz", "3"], ["nothing"], ["rerun", "none.yaml"]]
)
def test_an_error_is_one_object_too(vedit: Command, arguments: list[str]) -> None:
    ran = vedit(*arguments, "--json")
    assert ran.status == 2
    assert told(ran)["error"] == ran.complaint.removeprefix("error: ")


def test_what_only_shows_is_told_by_its_titles(vedit: Command, toy_clip: Path, toy_model: Path) -> None:
    assert told(vedit("parts", "--json"))["priors"] == registry.names("priors")
    assert told(vedit("inspect", "timeline", "0:1, 2:3", "--frames", 3, "--json"))["values"] == [1, 2, 3]
    dry = told(vedit("edit", toy_clip, "a cat", "--model", toy_model, "--dry-run", "--json"))
    assert dry["settings"]["prompt"] == "a cat"
    assert dry["files"] == []


def test_doctor_tells_programs_too(vedit: Command) -> None:
    assert {"versions", "devices", "attention kernels"} <= told(vedit("doctor", "--json")).keys()


def test_warnings_are_part_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=True)
    report.warn("mind the\n step")
    report.warn("mind the step")  # of the next job of a batch
    report.add_data(metrics={"db": float("inf"), "share": 0.5})
    report.end()
    out, err = capsys.readouterr()
    assert json.loads(out)["warnings"] == ["mind the step"]
    assert json.loads(out)["metrics"] == {"db": None, "share": 0.5}
    assert err == "warning: mind the step\n"


def test_a_prompt_is_no_flag(vedit: Command) -> None:
    assert "{" not in vedit("edit", "none.mp4", "--", "--json").out
