"""Jobs multiplied: products, sweeps, and what wins over what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.batches.conftest import Good, Read
from vedit.batches.configs import BatchJob

JOB = "clip: a.mp4, prompt: x"


def values(jobs: Sequence[BatchJob], *names: str) -> list[Any]:
    """Some settings of each job."""
    found = [tuple(getattr(job.config, name) for name in names) for job in jobs]
    return [each[0] for each in found] if len(names) == 1 else found


def test_each_value_is_taken_with_each_the_last_varying_first(good: Good) -> None:
    jobs = good("jobs: [{clip: a.mp4, product: {prompt: [x, y], seed: [1, 2, 3]}}]")
    assert values(jobs, "prompt", "seed") == [("x", 1), ("x", 2), ("x", 3), ("y", 1), ("y", 2), ("y", 3)]
    assert {job.varying for job in jobs} == {("prompt", "seed")}


def test_values_may_have_names(good: Good) -> None:
    fox, cat = good("jobs: [{clip: a.mp4, product: {prompt: {fox: a fox in the snow, cat: a cat}}}]")
    assert (fox.name, fox.names) == ("a/fox", {"prompt": "fox"})
    assert values([fox, cat], "prompt") == ["a fox in the snow", "a cat"]


def test_several_settings_may_vary_together(good: Good) -> None:
    snow, neon, plain = good("""
jobs:
  - clip: a.mp4
    prompt: x
    product:
      look:
        snow: {prompt: snow, negative-prompt: mud}
        neon: {prompt: neon, strength: 0.5}
        plain: {}
""")
    assert values([snow, neon, plain], "prompt", "negative_prompt", "strength") == [
        ("snow", "mud", 0.95),
        ("neon", "", 0.5),
        ("x", "", 0.95),
    ]
    assert [job.name for job in (snow, neon, plain)] == ["a/snow", "a/neon", "a/plain"]


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ("strength: 0.5..0.9/5", [0.5, 0.6, 0.7, 0.8, 0.9]),
        ("strength: 0.1..0.3/3", [0.1, 0.2, 0.3]),
        ("strength: .9 .. .5 / 2", [0.9, 0.5]),
        ("strength: 0.5..0.9/1", [0.5]),
        ("seed: 0..3", [0, 1, 2, 3]),
        ("seed: 3..0", [3, 2, 1, 0]),
        ("seed: 0..100/3", [0, 50, 100]),
        ("seed: 0..9223372036854775807/2", [0, 2**63 - 1]),
        ("learning-rate: 1e-5..3e-5/3", [1e-5, 2e-5, 3e-5]),
        ("guidance: 1..2/3", [1, 1.5, 2]),
        ("frames: 1..2", [1, 2]),
    ],
)
def test_a_sweep_goes_from_one_number_to_another(sweep: str, expected: list[float], good: Good) -> None:
    found = values(good(f"jobs: [{{{JOB}, sweep: {{{sweep}}}}}]"), sweep.partition(":")[0].replace("-", "_"))
    assert found == expected, "exactly, whatever sums of fractions come to"


def test_sweeps_and_products_are_taken_with_each_other(good: Good) -> None:
    jobs = good(f"jobs: [{{{JOB}, product: {{seed: [1, 2]}}, sweep: {{strength: 0.5..1/2}}}}]")
    assert values(jobs, "seed", "strength") == [(1, 0.5), (1, 1), (2, 0.5), (2, 1)]


def test_what_a_job_says_wins_over_its_defaults(good: Good) -> None:
    jobs = good("""
defaults:
  clip: "*.mp4"
  seed: 5
  product: {strength: [0.1, 0.2], crf: [1, 2]}
  sweep: {steps: 1..2}
jobs:
  - {prompt: x, clip: a.mp4, strength: 0.9, product: {steps: [7]}, sweep: {crf: 3..4}}
""")
    assert values(jobs, "seed", "strength", "steps", "crf") == [(5, 0.9, 7, 3), (5, 0.9, 7, 4)]
    assert [job.name for job in jobs] == ["a/x-7-3", "a/x-7-4"]


def test_what_a_job_says_wins_over_the_choices_of_its_defaults(good: Good) -> None:
    jobs = good("""
defaults:
  product: {look: {snow: {prompt: snow, seed: 1}, neon: {prompt: neon, seed: 2}}}
jobs:
  - {clip: a.mp4, seed: 7}
""")
    assert values(jobs, "prompt", "seed") == [("snow", 7), ("neon", 7)]


def test_a_choice_wins_over_what_stands_beside_it(good: Good) -> None:
    jobs = good("jobs: [{clip: a.mp4, prompt: x, seed: 7, product: {look: {one: {seed: 1}, two: {}}}}]")
    assert values(jobs, "seed") == [1, 7]


def test_settings_over_those_of_the_file_win_over_its_axes(good: Good) -> None:
    text = "jobs: [{prompt: x, clip: '*.mp4', product: {seed: [1, 2], look: {a: {crf: 1}, b: {crf: 2}}}}]"
    jobs = good(text, seed=5, crf=9, clip="b.mp4")
    assert values(jobs, "seed", "crf") == [(5, 9), (5, 9)]
    assert [job.name for job in jobs] == ["b/x-a", "b/x-b"]


def test_one_setting_in_two_ways_is_a_fault(read: Read) -> None:
    _, faults = read(f"jobs: [{{{JOB}, seed: 1, product: {{seed: [1], crf: [1]}}, sweep: {{crf: 1..2}}}}]")
    assert faults == [
        "j.yaml:1: job 1: product: seed: it is given in two ways; leave one out",
        "j.yaml:1: job 1: sweep: crf: it is given in two ways; leave one out",
    ]


def test_faults_of_values_name_their_lines(read: Read) -> None:
    _, faults = read("""
jobs:
  - clip: a.mp4
    product:
      seed:
        - 1
        - often
      look:
        snow:
          prompt: snow
          crf: 99
        neon: {prompt: neon,
               steps: 0}
""")
    assert {*faults} == {
        "j.yaml:7: job 1: product: seed: 'often' is not a whole number",
        "j.yaml:11: job 1: product: crf: 99 is out of range; expected 0..51",
        "j.yaml:13: job 1: product: steps: 0 is out of range; expected 1..1000",
    }


def test_very_many_combinations_are_refused_unmade(read: Read) -> None:
    """And the faults of single values are told none the less: each value is looked at once, not each combination."""
    hundred = f"[{', '.join(map(str, range(1, 101)))}]"
    axes = ", ".join(f"{name}: {hundred}" for name in ("seed", "steps", "frames", "size", "start", "stride"))
    jobs, faults = read(f"jobs: [{{{JOB}, product: {{{axes}, crf: [1, 99]}}}}]")
    assert jobs == []
    assert faults[0] == "j.yaml:1: job 1: 2,000,000,000,000 combinations; expected at most 10,000"
    assert {fault for fault in faults if "size" not in fault} == {
        faults[0],
        "j.yaml:1: job 1: product: crf: 99 is out of range; expected 0..51",
    }
    assert len(faults) == 9, "the sizes 1 to 7 among them"


def test_a_list_that_is_too_long(read: Read) -> None:
    _, faults = read('{"clip": "a.mp4", "product": {"prompt": [' + "1," * 200_000 + "1]}}", "j.jsonl")
    assert faults == ["j.jsonl:1: job 1: product: prompt: 200,001 values; expected at most 10,000"]
