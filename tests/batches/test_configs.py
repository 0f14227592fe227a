"""The jobs of a file as configs: their outputs, their settings, and the faults of them all."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tests.batches.conftest import Good, Read
from vedit.batches.configs import read_batch
from vedit.batches.outputs import default_output
from vedit.config import AnimateConfig, EditConfig, Settings
from vedit.config.upscale import UpscaleConfig

# Where results go


@pytest.mark.parametrize(
    ("job", "outputs"),
    [
        ("clip: a.mp4, prompt: a fox", ["a/a-fox.mp4"]),
        ("clip: '*.mp4', prompt: a fox", ["a/a-fox.mp4", "b/a-fox.mp4"]),
        ("clip: a.mp4, product: {prompt: [x, y]}", ["a/x.mp4", "a/y.mp4"]),
        ("clip: a.mp4, prompt: x, product: {seed: [1, 2]}", ["a/x-1.mp4", "a/x-2.mp4"]),
        ("clip: a.mp4, product: {seed: [1], prompt: [x]}, sweep: {crf: 1..2}", ["a/1-x-1.mp4", "a/1-x-2.mp4"]),
        ("clip: a.mp4, product: {look: {snow: {prompt: x, seed: 2}}}", ["a/snow.mp4"]),
        ("clip: a.mp4, prompt: x, product: {look: {new: {seed: 2}}}", ["a/x-new.mp4"]),
        ("prompt: x, product: {clip: {wave: a.mp4, city: {clip: b.mp4, seed: 1}}}", ["wave/x.mp4", "city/x.mp4"]),
        ("clip: a.mp4, prompt: x, product: {clip_size: {big: {size: 64}}}", ["a/x-big.mp4"]),
        ("command: generate, prompt: rain", ["rain.mp4"]),
        ("command: generate, prompt: '', audio: c.wav", ["none.mp4"]),
        ("command: tune, clip: a.mp4, prompt: a cat", ["a/a-cat.safetensors"]),
        ("command: tune, clip: a.mp4, prompt: a cat, product: {steps: [1]}", ["a/a-cat-1.safetensors"]),
        ("command: invert, clip: a.mp4", ["a/invert.mp4"]),
        ("command: inspect, clip: a.mp4, product: {kind: [edge, flow]}", ["a/edge.mp4", "a/flow.mp4"]),
        ("command: compare, source: a.mp4, edit: b.mp4", ["compare.mp4"]),
    ],
)  # fmt: skip
def test_outputs_are_named_after_what_varies(job: str, outputs: list[str], good: Good, here: Path) -> None:
    found = good(f"jobs: [{{{job}}}]")
    assert [each.output.relative_to(here / "out").as_posix() for each in found] == outputs
    assert [each.name for each in found] == [output.rpartition(".")[0] for output in outputs]


def test_jobs_that_differ_in_their_prompts_do_not_meet(good: Good) -> None:
    jobs = good("defaults: {clip: a.mp4, product: {seed: [1, 2]}}\njobs: [{prompt: x}, {prompt: y}]")
    assert [job.name for job in jobs] == ["a/x-1", "a/x-2", "a/y-1", "a/y-2"]


def test_all_outputs_come_from_templates(good: Good, here: Path) -> None:
    (job,) = good("""
defaults: {output: "no/{prompt}.mp4", compare: "both/{prompt}-{strength}.mp4"}
jobs:
  - {clip: a.mp4, prompt: a fox, output: "{prompt}-{seed:03}.webm", sheet: "sheets/{clip}.png"}
""")
    assert [path.relative_to(here / "out").as_posix() for path in job.files] == [
        "a-fox-000.webm",
        "a-fox-000.yaml",
        "sheets/a.png",
        "both/a-fox-0.95.mp4",
    ]
    (job,) = good("defaults: {output: x.mp4}\njobs: [{clip: a.mp4, prompt: a fox, output: null}]")
    assert job.name == "a/a-fox"


def test_outputs_may_vary_themselves(good: Good) -> None:
    jobs = good("""
jobs:
  - {clip: a.mp4, prompt: x, product: {output: ["{seed}.mp4", film.gif]}}
  - {clip: a.mp4, prompt: x, product: {look: {other: {output: "{look}.webm", sheet: "{look}.png"}}}}
""")
    assert [path.name for job in jobs for path in job.files if path.suffix != ".yaml"] == [
        "0.mp4",
        "film.gif",
        "other.webm",
        "other.png",
    ]


def test_a_path_in_a_name_is_the_name_of_its_file(good: Good, here: Path) -> None:
    (here / "where.png").touch()
    (job,) = good("jobs: [{clip: a.mp4, prompt: x, mask: where.png, audio: c.wav, output: '{mask}-{audio}.mp4'}]")
    assert job.name == "where-c"


def test_settings_over_those_of_the_file(good: Good, here: Path) -> None:
    (job,) = good(
        "jobs: [{clip: a.mp4, prompt: x, seed: 1, output: y.mp4}]",
        **{"seed": 5, "output": "{prompt}/{seed}.mp4", "sheet": Path("s.png"), "negative-prompt": "mud"},
    )
    assert getattr(job.config, "negative_prompt", None) == "mud"
    assert [path.relative_to(here / "out").as_posix() for path in job.files] == ["x/5.mp4", "x/5.yaml", "s.png"]


def test_settings_over_those_of_the_file_may_be_patterns(good: Good) -> None:
    assert [job.name for job in good("jobs: [{prompt: x}]", clip="*.mp4")] == ["a/x", "b/x"]


# Kinds of jobs


def test_what_is_said_for_all_is_meant_for_those_that_have_it(good: Good, read: Read) -> None:
    text = """
defaults: {clip: a.mp4, tune: 3, source_prompt: y, steps: 7, product: {strength: [0.5], seed: [1]}}
jobs:
  - {prompt: x}
  - {command: generate, prompt: rain}
"""
    edit, generate = good(text, inject=0.2)
    assert getattr(edit.config, "strength", None) == 0.5
    assert generate.name == "rain-1"
    assert getattr(generate.config, "steps", None) == 7
    _, faults = read(text.replace("tune:", "tunes:"), stpes=3)
    assert faults == [
        "j.yaml:2: defaults: tunes: there is no such setting; did you mean 'tune'?",
        "--set stpes: there is no such setting; did you mean 'steps'?",
    ]
    _, faults = read("jobs: [{command: generate, prompt: rain, tune: 3}]")
    assert len(faults) == 1, "a job's own"


# Faults


def test_a_fault_of_the_defaults_is_one_however_many_jobs_there_are(read: Read, here: Path) -> None:
    _, faults = read("""
defaults:
  clip: no.mp4
  seed: often
  output: "../{promt}.mp4"
jobs:
  - prompt: x
  - product: {prompt: [y, z]}
""")
    assert faults == [
        f"j.yaml:3: defaults: clip: {here}/no.mp4 does not exist",
        "j.yaml:4: defaults: seed: 'often' is not a whole number",
        "j.yaml:5: defaults: output: {promt} is no setting; did you mean 'prompt'?",
    ]


def test_what_is_missing_is_told_of_the_job_that_lacks_it(read: Read) -> None:
    _, faults = read(
        "jobs:\n- {clip: a.mp4}\n- {clip: a.mp4, prompt: x, tune: 3}\n- {clip: a.mp4, prompt: x, control: {}}"
    )
    assert [fault.partition(":")[2][:12] for fault in faults] == ["2: job 1: pr", "3: job 2: tu", "4: job 3: co"]
    assert "job 1: prompt is missing" in faults[0]
    assert "tune needs source_prompt" in faults[1]
    assert "control: kind is missing" in faults[2]


def test_no_fault_hides_another(read: Read, here: Path) -> None:
    """In one job: of axes, of values, of files that are not there, of templates, of what no file may say."""
    _, faults = read("""
jobs:
  - clip: no.mp4
    crf: 99
    overwrite: true
    output: ../x.mp4
    sheet: "{promt}.png"
    audio: no.wav
    product: {seed: []}
    sweep: {strength: 0.5..2/2}
""")
    assert {*faults} == {
        "j.yaml:5: job 1: overwrite is not taken from a file; say --overwrite where you mean it",
        "j.yaml:9: job 1: product: seed: nothing is no list of values; expected [one, another]",
        "j.yaml:3: job 1: prompt is missing: What the edited clip shows; (word:1.4) lets a word count more.",
        "j.yaml:4: job 1: crf: 99 is out of range; expected 0..51",
        "j.yaml:10: job 1: sweep: strength: 2 is out of range; expected above 0, at most 1",
        f"j.yaml:3: job 1: clip: {here}/no.mp4 does not exist",
        f"j.yaml:8: job 1: audio: {here}/no.wav does not exist",
        "j.yaml:6: job 1: output: '../x.mp4' leads out of the output folder; expected a name inside it",
        "j.yaml:7: job 1: sheet: {promt} is no setting; did you mean 'prompt'?",
    }


def test_files_within_settings_are_looked_for(read: Read, here: Path) -> None:
    _, faults = read("jobs: [{command: generate, prompt: x, control: 'edge:1:no.mp4'}]")
    assert faults == [f"j.yaml:1: job 1: control file: {here}/no.mp4 does not exist"]


# Files that cannot lie beside each other

MEETING = {
    "one name": ("{prompt: x}, {prompt: x}", "job 2: a/x.mp4 is written by j.yaml:1: job 1 too; put what differs"),
    "one name of a job's combinations": (
        "{output: x.mp4, product: {prompt: [x, y]}}",
        "job 1: x.mp4 is written by another of its combinations too; put what differs into the name, such as {prompt}",
    ),
    "names that differ in case": (
        "{product: {prompt: {Fox: x, fox: y}}}",
        "job 1: a/fox.mp4 is, to some file systems, a/Fox.mp4 of another of its combinations",
    ),
    "names that differ in how a letter is composed": (
        f"{{prompt: x, output: caf\u00e9.mp4}}, {{prompt: x, output: {unicodedata.normalize('NFD', 'café')}.mp4}}",
        "job 2: cafe\u0301.mp4 is, to some file systems, caf\u00e9.mp4 of j.yaml:1: job 1",
    ),
    "letters that are two in capitals": (
        "{prompt: x, output: gross.mp4}, {prompt: x, output: groß.mp4}",
        "job 2: groß.mp4 is, to some file systems, gross.mp4 of j.yaml:1: job 1",
    ),
    "one sidecar": (
        "{prompt: x, output: x.mp4}, {prompt: x, output: x.gif}",
        "job 2: x.yaml is written by j.yaml:1: job 1 too",
    ),
    "one name but for the suffix": (
        "{command: tune, prompt: x, output: x.safetensors}, {command: invert, output: x.mp4}",
        "job 2: x.mp4 differs in its suffix alone from x.safetensors of j.yaml:1: job 1",
    ),
    "a sheet and another job's output": (
        "{prompt: x, output: x.mp4, sheet: y.mp4}, {prompt: y, output: y.mp4}",
        "job 2: y.mp4 is written by j.yaml:1: job 1 too",
    ),
    "a sheet and the job's own output": (
        "{prompt: x, output: x.mp4, sheet: x.mp4}",
        "job 1: x.mp4 is written by the same job too; give each its own name",
    ),
    "a sheet in the folder that is the output": (
        "{prompt: x, output: x, sheet: x/sheet.png}",
        "job 1: x/sheet.png and x of the same job lie within each other",
    ),
    "a file within another": (
        "{prompt: x, output: x}, {prompt: y, output: x/y/z.mp4}",
        "job 2: x/y/z.mp4 and x of j.yaml:1: job 1 lie within each other",
    ),
    "a folder around another": (
        "{prompt: y, output: x/y/z.mp4}, {prompt: x, output: X}",
        "job 2: X and x/y/z.mp4 of j.yaml:1: job 1 lie within each other",
    ),
    "the page": ("{prompt: x, output: x.mp4, report: Index.html}", "job 1: Index.html is the batch's own"),
    "the status": ("{prompt: x, output: status.jsonl}", "job 1: status.jsonl is the batch's own"),
    "the folder of pictures": ("{prompt: x, output: pictures}", "job 1: pictures is the batch's own"),
    "a file among the pictures": ("{prompt: x, output: pictures/x.mp4}", "job 1: pictures/x.mp4 is the batch's own"),
    "a file among the previews": ("{prompt: x, output: previews/x.mp4}", "job 1: previews/x.mp4 is the batch's own"),
}


@pytest.mark.parametrize(("jobs", "said"), MEETING.values(), ids=MEETING)
def test_files_that_meet(jobs: str, said: str, read: Read) -> None:
    _, faults = read(f"{{defaults: {{clip: a.mp4}}, jobs: [{jobs}]}}")
    assert len(faults) == 1, faults
    assert said in faults[0]


def test_what_is_read_is_not_written(read: Read, here: Path) -> None:
    """Neither the file of jobs, by a sidecar beside an output of its name, nor what another job reads."""
    (here / "j.yaml").write_text(
        "jobs: [{clip: a.mp4, prompt: x, output: j.mp4}, {clip: a.mp4, prompt: x, output: B.mp4}, "
        "{clip: b.mp4, prompt: x}, {clip: a.mp4, prompt: x, output: link/x.mp4}]"
    )
    (here / "link").symlink_to(here.parent)
    _, faults = read_batch(Path("j.yaml"), here)
    assert faults == [
        "j.yaml:1: job 4: output: 'link/x.mp4' leads out of the output folder through a link",
        "j.yaml:1: job 1: j.yaml is the file of jobs itself; give another name",
        "j.yaml:1: job 2: B.mp4 is read by j.yaml:1: job 3; give another name",
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (EditConfig, "{clip}/{prompt}.mp4"),
        (AnimateConfig, "{prompt}.mp4"),
        (UpscaleConfig, "{clip}/upscale.mp4"),  # mostly without a prompt
    ],
)
def test_an_output_that_nobody_names(kind: type[Settings], name: str) -> None:
    assert default_output(kind, []) == name
