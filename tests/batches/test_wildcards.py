"""Files that are named by a pattern."""

from __future__ import annotations

import os
from pathlib import Path

from tests.batches.conftest import Good, Read


def test_each_file_that_matches_is_taken(good: Good, here: Path) -> None:
    jobs = good("jobs: [{clip: '*.mp4', prompt: x}]")
    assert [job.name for job in jobs] == ["a/x", "b/x"]
    assert [getattr(job.config, "clip", None) for job in jobs] == [here / "a.mp4", here / "b.mp4"]


def test_in_the_order_of_their_names_and_hidden_ones_left_out(good: Good, here: Path) -> None:
    for name in ("sub/z.mp4", "sub/deep/y.mp4", "sub/.hidden/no.mp4", "sub/.no.mp4"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).touch()
    assert [job.name for job in good("jobs: [{clip: 'sub/**/*.mp4', prompt: x}]")] == ["y/x", "z/x"]


def test_in_any_place_that_names_a_file_to_read(good: Good, here: Path) -> None:
    (here / "d.wav").touch()
    names = [job.name for job in good("jobs: [{product: {clip: ['?.mp4'], audio: ['[cd].wav']}, prompt: x}]")]
    assert names == ["a/x-c", "a/x-d", "b/x-c", "b/x-d"]


def test_together_with_other_settings(good: Good) -> None:
    jobs = good("jobs: [{product: {take: {day: {clip: '*.mp4', seed: 1}, night: {clip: b.mp4}}}, prompt: x}]")
    assert [job.name for job in jobs] == ["a/x-day-a", "b/x-day-b", "b/x-night"]


def test_two_patterns_in_one_choice(good: Good, here: Path) -> None:
    (here / "d.wav").touch()
    jobs = good("jobs: [{product: {take: {day: {clip: '*.mp4', audio: '*.wav'}}}, prompt: x, output: '{take}.mp4'}]")
    assert [job.name for job in jobs] == ["day-a-c", "day-a-d", "day-b-c", "day-b-d"]


def test_a_file_that_is_called_like_a_pattern(good: Good, here: Path) -> None:
    (here / "take[1].mp4").touch()
    assert [job.name for job in good("jobs: [{clip: 'take[1].mp4', prompt: x}]")] == ["take-1/x"]


def test_what_is_no_file_is_no_pattern(good: Good) -> None:
    (job,) = good("jobs: [{clip: a.mp4, prompt: 'a [red] cat?', mask: 'word:[red]', source_prompt: a red cat}]")
    assert getattr(job.config, "mask", None) == "word:[red]"


def test_links_in_a_circle_end(good: Good, read: Read, here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "loop").symlink_to(here / "sub")
    (here / "sub" / "y.mp4").touch()
    assert [job.name for job in good("jobs: [{clip: 'sub/**/*.mp4', prompt: x}]")] == ["y/x"]
    (here / "x*.mp4").symlink_to("x*.mp4")
    _, faults = read("jobs: [{clip: 'x*.mp4', prompt: x}]")
    assert faults == [f"j.yaml:1: job 1: clip: {here}/x*.mp4 does not exist"]


def test_names_that_a_terminal_would_obey(read: Read, here: Path) -> None:
    for name in ("n\n\x1b[31m.mp4", os.fsdecode(b"\xff.mp4")):
        (here / name).symlink_to("nothing")
    jobs, faults = read("jobs: [{clip: 'n*.mp4', prompt: x}, {clip: '[!abx]*.mp4', prompt: x}]")
    assert len(jobs) == 3
    assert len(faults) == 4
    assert all(fault.isprintable() for fault in faults)
    assert {job.name for job in jobs} == {"n-31m/x"} | {job.name for job in jobs[1:]}


def test_what_matches_nothing(read: Read) -> None:
    _, faults = read(f"""
jobs:
  - clip: no*.mp4
  - product:
      clip: ['*.mov', '**.mp4', {"x" * 300}/*.mp4]
    prompt: x
""")
    assert faults[:4] == [
        "j.yaml:3: job 1: clip: no file matches 'no*.mp4'",
        "j.yaml:3: job 1: prompt is missing: What the edited clip shows; (word:1.4) lets a word count more.",
        "j.yaml:5: job 2: product: clip: no file matches '*.mov'",
        "j.yaml:5: job 2: product: clip: '**.mp4' is no pattern; ** stands for any folders, as in clips/**/*.mp4",
    ]
    assert faults[4].startswith("j.yaml:5: job 2: product: clip: 'xxx")
    assert len(faults) == 5, "and not that it is missing, or does not exist"
