"""Jobs files of each kind: what is read of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.batches.conftest import Good, Read
from vedit.batches.configs import read_batch
from vedit.batches.reading import can_be_made, read_jobs
from vedit.batches.written import MOST_JOBS
from vedit.config import CompareConfig, EditConfig, GenerateConfig, TuneConfig
from vedit.config.merge import Layer, merge
from vedit.config.sidecar import save

YAML = """\
defaults:
  clip: a.mp4
  negative-prompt: mud
jobs:
  - prompt: a fox
    seed: 3
  - command: generate
    prompt: rain
    audio: c.wav
  - {command: tune, prompt: a cat}
  - {command: compare, source: a.mp4, edit: b.mp4}
"""


def test_yaml(good: Good, here: Path) -> None:
    edit, generate, tune, compare = (job.config for job in good(YAML))
    assert isinstance(edit, EditConfig)
    assert (edit.clip, edit.prompt, edit.seed, edit.negative_prompt) == (here / "a.mp4", "a fox", 3, "mud")
    assert isinstance(generate, GenerateConfig)
    assert (generate.prompt, generate.audio, generate.negative_prompt) == ("rain", here / "c.wav", "mud")
    assert isinstance(tune, TuneConfig)
    assert tune.clip == here / "a.mp4"
    assert isinstance(compare, CompareConfig)
    assert (compare.source, compare.edit) == (here / "a.mp4", here / "b.mp4")


def test_each_job_stands_in_its_line(good: Good) -> None:
    assert [job.where for job in good(YAML)] == [
        f"j.yaml:{line}: job {number}" for number, line in enumerate((5, 7, 10, 11), 1)
    ]


def test_yaml_without_defaults_or_with_empty_ones(good: Good) -> None:
    for defaults in ("", "defaults:\n", "defaults: {}\n"):
        assert len(good(f"{defaults}jobs: [{{clip: a.mp4, prompt: x}}]")) == 1


def test_paths_are_relative_to_the_file(here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "j.yaml").write_text("jobs: [{clip: ../a.mp4, prompt: x, mask: 'box:1,2,3,4'}]")
    jobs, faults = read_batch(Path("sub/j.yaml"), here / "out")
    assert faults == []
    assert jobs[0].config.files_read()[0].path == here / "a.mp4"
    assert jobs[0].output == here / "out" / "a" / "x.mp4"


def test_csv(good: Good, here: Path) -> None:
    text = 'clip,prompt,seed,negative-prompt\na.mp4,"a ""red"" fox, running",3,\nb.mp4, a cat,,mud\n'
    first, second = (job.config for job in good(text, "j.csv"))
    assert isinstance(first, EditConfig)
    assert isinstance(second, EditConfig)
    assert (first.clip, first.prompt, first.seed) == (here / "a.mp4", 'a "red" fox, running', 3)
    assert (first.negative_prompt, second.negative_prompt) == ("", "mud")
    assert (second.clip, second.prompt, second.seed) == (here / "b.mp4", "a cat", 0)


def test_csv_as_spreadsheets_write_it(good: Good) -> None:
    """With a mark of its byte order, both signs at the end of a line, a line within a cell, and what is left empty."""
    jobs = good('\ufeffclip,prompt,,\r\na.mp4,"a fox\r\nrunning",,\r\n,,,\r\na.mp4,a cat,,\r\n'.encode(), "j.csv")
    assert [getattr(job.config, "prompt", "") for job in jobs] == ["a fox\nrunning", "a cat"]
    assert [job.where for job in jobs] == ["j.csv:2: job 1", "j.csv:5: job 2"]


def test_csv_of_several_kinds(good: Good) -> None:
    jobs = good("command,clip,prompt\nedit,a.mp4,x\ngenerate,,rain\n,b.mp4,y\n", "j.csv")
    assert [job.config.job for job in jobs] == ["edit", "generate", "edit"]


def test_jsonl(good: Good) -> None:
    lines = [
        {"clip": "a.mp4", "prompt": "a fox", "sweep": {"strength": "0.5..0.9/2"}},
        {"command": "generate", "prompt": "rain", "product": {"seed": [1, 2]}},
    ]
    jobs = good("\ufeff" + "\n\n".join(map(json.dumps, lines)) + "\r\n", "j.jsonl")
    assert [job.where for job in jobs] == ["j.jsonl:1: job 1"] * 2 + ["j.jsonl:3: job 2"] * 2
    assert [job.name for job in jobs] == ["a/a-fox-0.5", "a/a-fox-0.9", "rain-1", "rain-2"]


# Folders of sidecars


@pytest.fixture
def results(here: Path) -> Path:
    """A folder of results without their videos: an edit, with a sheet beside it, and something generated."""
    folder = here / "results"
    folder.mkdir()
    edit = {"clip": here / "a.mp4", "prompt": "a cat", "output": folder / "one.webm", "sheet": folder / "sheet.png"}
    save(merge(EditConfig, Layer(edit)), folder / "one.yaml", {"model": "abc"}, overwrite=False)
    rain = {"prompt": "rain", "seed": 5, "output": folder / "two.mp4"}
    save(merge(GenerateConfig, Layer(rain)), folder / "two.yaml", {}, overwrite=False)
    (folder / "settings.yaml").write_text("steps: 3\n")
    return folder


def test_sidecars(results: Path, here: Path) -> None:
    jobs, faults = read_batch(results, here / "again")
    assert faults == []
    assert [(job.config.job, job.name, job.made_with) for job in jobs] == [
        ("edit", "one", "abc"),
        ("generate", "two", ""),
    ]
    assert [path.relative_to(here).as_posix() for path in jobs[0].files] == [
        "again/one.webm",
        "again/one.yaml",
        "again/sheet.png",
    ]
    assert getattr(jobs[1].config, "seed", None) == 5


def test_sidecars_with_names_that_look_like_templates(results: Path, here: Path) -> None:
    (results / "one.yaml").rename(results / "{prompt}.yaml")
    jobs, faults = read_batch(results, here / "again")
    assert faults == []
    assert jobs[1].output == here / "again" / "{prompt}.webm"


def test_sidecars_in_folders(results: Path, here: Path) -> None:
    """As a batch leaves them, one folder for each clip; its previews are no results."""
    for name in ("star", "previews/small", ".hidden"):
        (results / name).mkdir(parents=True)
        (results / name / "one.yaml").write_bytes((results / "one.yaml").read_bytes())
    (results / "star" / "two.yaml").write_text("command: edit\nformat: 2\nclip: ../a.mp4\nseed: often\n")
    jobs, faults = read_batch(results, here / "again")
    assert [job.name for job in jobs] == ["one", "star/one", "two"]
    assert [path.relative_to(here).as_posix() for path in jobs[1].files] == [
        "again/star/one.webm",
        "again/star/one.yaml",
        "again/star/sheet.png",
    ]
    assert "star/two.yaml:4: seed: 'often' is not a whole number" in faults


def test_sidecars_of_older_formats(here: Path) -> None:
    (here / "old").mkdir()
    (here / "old" / "a.yaml").write_text("command: edit\nclip: ../a.mp4\nprompt: x\nnegative: mud\noutput: a.mp4\n")
    jobs, faults = read_batch(here / "old", here / "again")
    assert faults == []
    assert getattr(jobs[0].config, "negative_prompt", None) == "mud"


def test_sidecars_that_cannot_be_read_are_told_together(results: Path, here: Path) -> None:
    (results / "a.yaml").write_text("command: edti\nprompt: x\n")
    (results / "b.yaml").write_text("command: edit\nformat: 99\n")
    (results / "c.yaml").write_text("command: [\n")
    (results / "d.yaml").write_text("command: edit\nformat: 2\nclip: ../a.mp4\nprompt: x\nseed: often\n")
    _, faults = read_batch(results, here / "again")
    for said in (
        "a.yaml:1: command: 'edti' is no job; did you mean 'edit'?",
        "b.yaml: the sidecar has the format 99",
        "c.yaml:2: not YAML",
        "d.yaml:5: seed: 'often' is not a whole number",
    ):
        assert len([fault for fault in faults if said in fault]) == 1
    assert len(faults) == 4


# Bounds


@pytest.mark.parametrize(("name", "head", "line"), [("j.jsonl", "", '{"seed": 1}\n'), ("j.csv", "seed\n", "1\n")])
def test_more_jobs_than_there_may_be(name: str, head: str, line: str, read: Read, here: Path) -> None:
    """However many lines there are, one more is read, and none is looked at."""
    _, faults = read(head + line * (MOST_JOBS + 50), name)
    assert faults == [f"{name}: more than 10,000 jobs; make several files of it"]
    assert len(read_jobs(here / name, [])) == MOST_JOBS + 1


def test_jobs_of_other_packages_that_write_something_can_be_made() -> None:
    assert {"edit", "generate", "tune", "invert", "compare", "inspect"} <= can_be_made().keys()
    assert all("output" in entry.config.model_fields for entry in can_be_made().values())
