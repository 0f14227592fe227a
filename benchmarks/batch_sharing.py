"""What a batch saves by making once what its jobs share: ``python -m benchmarks.batch_sharing``.

Edits of held-out clips of the world, each by several prompts, with the model tuned on each clip first: as one ``vedit
batch``, and as ``vedit edit`` commands of the same settings, each with an empty cache. What counts is the CPU seconds
(user and system) of the processes, start and loading included, which is what one pays; the machine may do other work
beside. The results must be the same to the byte. From the batch's status comes how often each stage was made for each
clip.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
import yaml

import world
from benchmarks.held_out import FRAMES
from benchmarks.record import record
from benchmarks.table import show
from vedit import Clip
from vedit.batches.folder import STATUS
from vedit.batches.status import Status

BAR = 0.5
"""Of the time of the separate commands, what a batch may take at most."""


@dataclass(frozen=True)
class Spent:
    """CPU and wall seconds of one command."""

    cpu: float
    wall: float


def spent(arguments: list[str], cache: Path) -> Spent:
    """What a ``vedit`` command takes, with this cache."""
    command = [sys.executable, "-m", "vedit", *arguments, "--quiet"]
    begun, before = time.perf_counter(), os.times()
    subprocess.run(command, env=os.environ | {"VEDIT_CACHE": str(cache)}, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Spent(round(cpu, 1), round(time.perf_counter() - begun, 1))


def scenes(count: int, first: int = 910_000) -> list[world.Scene]:
    return [world.sample_scene(first + number, "held_out", frames=FRAMES) for number in range(count)]


def prompts(scene: world.Scene, count: int) -> list[str]:
    """Captions of the scene with another colour, and with another ground, in turn."""
    thing = scene.objects[0]
    colours = (scene.changed(colour=each) for each in world.COLOURS if each != thing.colour)
    grounds = (scene.changed(background=each) for each in world.BACKGROUNDS if each != scene.background)
    changed = [each.caption for pair in zip(colours, grounds, strict=False) for each in pair]
    return changed[:count]


def edits(arguments: argparse.Namespace, folder: Path) -> Iterator[dict[str, object]]:
    """The settings of each edit, its clip written into a folder."""
    common = {"model": arguments.model, "steps": arguments.steps, "tune": arguments.tune, "device": "cpu"}
    for number, scene in enumerate(scenes(arguments.clips)):
        frames = torch.from_numpy(world.render(scene, FRAMES).frames).clamp(0, 1)
        path = folder / f"clip{number}.mp4"
        Clip(frames=frames, rate=Fraction(8)).save(path)
        for prompt in prompts(scene, arguments.prompts):
            yield {"clip": str(path), "prompt": prompt, "source_prompt": scene.caption, **common}


def together(jobs: list[dict[str, object]], folder: Path) -> Spent:
    """All of them as one batch."""
    listed = [{**job, "output": f"{number}.mp4"} for number, job in enumerate(jobs)]
    (folder / "jobs.yaml").write_text(yaml.safe_dump({"jobs": listed}), encoding="utf-8")
    return spent(["batch", str(folder / "jobs.yaml"), "--output", str(folder / "batch")], folder / "cache")


def one_by_one(jobs: list[dict[str, object]], folder: Path) -> list[Spent]:
    """Each as a command of its own, with an empty cache. Raises RuntimeError where the batch made something else."""
    found = []
    for number, job in enumerate(jobs):
        output = folder / f"{number}.mp4"
        flags = [word for name, value in job.items() if name not in ("clip", "prompt")
                 for word in (f"--{name.replace('_', '-')}", str(value))]  # fmt: skip
        with tempfile.TemporaryDirectory() as cache:
            arguments = ["edit", str(job["clip"]), str(job["prompt"]), *flags, "--output", str(output)]
            found.append(spent(arguments, Path(cache)))
        if output.read_bytes() != (folder / "batch" / output.name).read_bytes():
            raise RuntimeError(f"the batch's result of {job['prompt']!r} is not that of the edit alone")
        print(f"{number + 1}/{len(jobs)}: {found[-1].cpu:.0f} s", file=sys.stderr, flush=True)
    return found


def stages(folder: Path, jobs: list[dict[str, object]]) -> dict[str, dict[str, list[int]]]:
    """By the stages' titles: how often each was made in the batch for the jobs of each clip, and how many of these were
    different."""
    clips = list(dict.fromkeys(job["clip"] for job in jobs))
    found: dict[str, dict[str, list[int]]] = {}
    keys: dict[tuple[str, object], list[str]] = {}
    for event in Status(folder / "batch" / STATUS).events():
        if event["event"] == "made":
            keys.setdefault((event["stage"], jobs[int(event["job"])]["clip"]), []).append(event["key"])
    for title in dict.fromkeys(title for title, _ in keys):
        made = [keys.get((title, clip), []) for clip in clips]
        found[title] = {"made": [len(each) for each in made], "different": [len({*each}) for each in made]}
    return found


def each_clip(counts: list[int]) -> str:
    """Equal counts as one."""
    return str(counts[0]) if len({*counts}) == 1 else ", ".join(map(str, counts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="of sampling, each way")
    parser.add_argument("--tune", type=int, default=20, help="steps of tuning on each clip")
    parser.add_argument("--save", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        jobs = list(edits(arguments, folder))
        batch = together(jobs, folder)
        made = stages(folder, jobs)
        alone = one_by_one(jobs, folder)
    separate = Spent(sum(each.cpu for each in alone), sum(each.wall for each in alone))
    if arguments.save:
        settings = {name: getattr(arguments, name) for name in ("model", "clips", "prompts", "steps", "tune")}
        seconds = {"batch": vars(batch), "separate": vars(separate), "each": [vars(each) for each in alone]}
        record(arguments.save, {"settings": settings, "seconds": seconds, "stages": made})
    title = f"{len(jobs)} edits of {arguments.clips} clips, {FRAMES} frames, tuned for {arguments.tune} steps"
    rows = [[name, f"{each.cpu:.0f}", f"{each.cpu / separate.cpu:.2f}", f"{each.wall:.0f}"]
            for name, each in {"commands of their own": separate, "one batch": batch}.items()]  # fmt: skip
    show(f"{title}; a batch may take {BAR} of the CPU time", ["", "CPU s", "of separate", "wall s"], rows)
    told = [[name, each_clip(each["made"]), each_clip(each["different"])] for name, each in made.items()]
    show("Stages that the batch made for each clip", ["", "made", "different"], told)


if __name__ == "__main__":
    main()
