"""What an edit costs, stage by stage: ``python -m benchmarks.passes``.

The default edit of ``examples/star.mp4`` with an empty cache, then another edit of it, by another prompt, with what the
first has left there: how often the UNet is called, for how many branches in all, and the CPU seconds (user and system,
of this process), without loading. ``--before FILE`` shows the figures that another version kept with ``--save`` beside
them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import vedit
from benchmarks.record import record
from benchmarks.table import show
from vedit.backbone.model import Backbone
from vedit.graph import Run, Stage

CLIP = Path(__file__).parent.parent / "examples" / "star.mp4"
SOURCE = "a red star moving left over grass"
PROMPTS = {"first": "a blue star moving left over sand", "second": "a green star moving left over brick"}


@dataclass
class Tally:
    """By stage, as an edit's timings name them: calls of the network, branches in all of them, CPU seconds."""

    calls: Counter[str] = field(default_factory=Counter)
    branches: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)

    @property
    def passes(self) -> int:
        """Passes of one branch, in all stages."""
        return sum(self.branches.values())


@contextmanager
def counting(backbone: Backbone) -> Iterator[Tally]:
    """Within the block, what the edits with a backbone cost is counted."""
    tally, stages = Tally(), ["other"]
    predict = backbone.predict

    def counted(x: Tensor, *others: Any, **named: Any) -> Tensor:
        tally.calls[stages[-1]] += 1
        tally.branches[stages[-1]] += len(x)
        return predict(x, *others, **named)

    @contextmanager
    def clocked(stage: str) -> Iterator[None]:
        """The block counts as this stage, without what is made within it for another."""
        stages.append(stage)
        within.append(0.0)
        begun = time.process_time()
        try:
            yield
        finally:
            spent = time.process_time() - begun
            tally.seconds[stages.pop()] += spent - within.pop()
            within[-1] += spent

    make = Run._make

    def made(run: Run, stage: Stage[Any]) -> Any:
        with clocked(stage.title or "other"):
            return make(run, stage)

    within = [0.0]
    with patch.object(backbone, "predict", counted), patch.object(Run, "_make", made):
        begun = time.process_time()
        yield tally
        tally.seconds["other"] += time.process_time() - begun - sum(tally.seconds.values())


def figures(tally: Tally) -> dict[str, dict[str, float]]:
    """As JSON holds them, by stage."""
    return {
        stage: {"calls": tally.calls[stage], "passes": tally.branches[stage], "seconds": round(seconds, 2)}
        for stage, seconds in tally.seconds.items()
    }


def edits(model: str, settings: dict[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """The figures of a first edit and of a second one."""
    clip, found = vedit.read_clip(CLIP), {}
    for turn, prompt in PROMPTS.items():
        backbone = vedit.load_backbone(model)
        with counting(backbone) as tally:
            vedit.edit(backbone, clip, prompt, source_prompt=SOURCE, **settings)
        found[turn] = figures(tally)
    return found


def line(stages: dict[str, dict[str, float]], names: list[str]) -> dict[str, str]:
    """A column of the table: passes and seconds of each stage, and in all."""
    chosen = {name: stages.get(name, {"passes": 0, "seconds": 0}) for name in names}
    chosen["in all"] = {what: sum(each[what] for each in chosen.values()) for what in ("passes", "seconds")}
    return {name: f"{each['passes']:.0f}  {each['seconds']:5.1f} s" for name, each in chosen.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--steps", type=int, help="the default's, unless it is given")
    parser.add_argument("--tune", type=int, default=0, help="steps of tuning first")
    parser.add_argument("--save", type=Path, help="also write the figures as JSON")
    parser.add_argument("--before", type=Path, help="figures of another version")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["VEDIT_CACHE"] = cache
        settings = {"tune": arguments.tune} | ({} if arguments.steps is None else {"steps": arguments.steps})
        columns = {f"{turn} edit": found for turn, found in edits(arguments.model, settings).items()}
    if arguments.save:
        record(arguments.save, columns)
    if arguments.before:
        before = json.loads(arguments.before.read_text(encoding="utf-8"))
        columns = {f"{name}, {before['commit']}": each for name, each in before["figures"].items()} | columns
    names = list(dict.fromkeys(name for stages in columns.values() for name in stages))
    told = [line(stages, names) for stages in columns.values()]
    show(
        f"Passes of the UNet and CPU seconds of the default edit, 8 frames, {torch.get_num_threads()} threads",
        ["", *columns],
        [[name, *(each[name] for each in told)] for name in [*names, "in all"]],
    )


if __name__ == "__main__":
    main()
