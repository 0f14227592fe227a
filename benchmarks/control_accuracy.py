"""What ControlNets decide: ``python -m benchmarks.control_accuracy``.

Held-out clips of the world are made from pure noise, by a prompt whose colour and ground are not those of the clip that
the control was taken from, and judged against that clip's exact masks, joints and track. Beside each other: the clip's
own control, the same words without one, the control of another clip, and what the judges find in the clip itself after
the VAE, which is the limit. Brackets are 95 % bootstrap intervals over clips.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
import torch
from torch import Tensor

import world
from benchmarks.held_out import centres
from benchmarks.judge import Judge, load_judge
from benchmarks.judge.joints import NEAR, Joints, load_joints
from benchmarks.masks import overlap
from benchmarks.table import figure, percent, show
from training.poses import exact
from vedit import Clip, load_backbone
from vedit.annotators import ANNOTATORS
from vedit.annotators.pose.drawing import draw
from vedit.backbone.control import load_controlnet
from vedit.backbone.model import Backbone
from vedit.condition import Condition
from vedit.entrances.residuals import AddResiduals
from vedit.prompt import Prompt
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.guiders import ClassifierFree
from world import Rendered

KINDS = ("edge", "pose", "flow")
FRAMES = 6

HEADER = ["", "mask IoU", f"joints within {NEAR:g} px", "track px", "colour right", "ground right", "shape right"]


@dataclass(frozen=True)
class Case:
    """A clip to take the control from, and the words for what is to be made: of another colour, on another ground."""

    source: Rendered
    prompt: str
    colour: str
    background: str

    @property
    def clip(self) -> Clip:
        return Clip(torch.from_numpy(self.source.frames).clamp(0, 1), Fraction(8))


def cases(kind: str, count: int, first: int) -> list[Case]:
    """Held-out clips; of walking figures only for pose."""
    found = []
    for number in range(first, first + count):
        rng = np.random.default_rng([47, number])
        scene = world.sample_scene(number, "held_out", frames=FRAMES)
        if kind == "pose":
            scene = scene.changed(shape="person")
        colour = str(rng.choice([each for each in world.COLOURS if each != scene.objects[0].colour]))
        ground = str(rng.choice([each for each in world.BACKGROUNDS if each != scene.background]))
        wanted = scene.changed(colour=colour, background=ground)
        found.append(Case(world.render(scene, FRAMES), wanted.caption, colour, ground))
    return found


def pictures(kind: str, case: Case) -> Tensor:
    """What the ControlNet is shown: as a user would have it from the clip, but exact joints for pose."""
    if kind == "pose":
        return draw(exact(case.source.scene, frames=FRAMES))
    return ANNOTATORS.make(kind).annotate(case.clip).frames


def made(backbone: Backbone, case: Case, condition: Condition | None, steps: int, guidance: float, seed: int) -> Tensor:
    """Frames (F, 3, H, W) from pure noise."""
    guider = ClassifierFree(Prompt(backbone.embed([case.prompt])), Prompt(backbone.embed([""])), guidance, apg_eta=0.0)
    with backbone.attending("sparse_causal"):
        latents = denoise(
            backbone, noise(seed, FRAMES, (4, 16, 16)), backbone.schedule(steps), guider,
            conditions=() if condition is None else (condition,),
        )  # fmt: skip
    return backbone.decode(latents)


def measure(frames: Tensor, case: Case, judge: Judge, finder: Joints | None) -> dict[str, float]:
    """What the table shows of one clip; its joints where there is a ``finder``."""
    seen, thing = judge.see(frames), case.source.scene.objects[0]
    truth = centres(case.source.masks[:, 0])
    found = {
        "overlap": float(overlap(seen.masks, case.source.masks[:, 0] > 0.5).mean()),
        "track": float((seen.centre - truth).norm(dim=1).mean()),
        "colour": float(np.mean([each == case.colour for each in seen.colour])),
        "ground": float(np.mean([each == case.background for each in seen.background])),
        "shape": float(np.mean([each == thing.shape for each in seen.shape])),
    }
    if finder is not None:
        found["joints"] = float(np.mean(finder.distances(frames, case.source.joints[:, 0]) <= NEAR))
    return found


def row(title: str, found: list[dict[str, float]]) -> list[str]:
    values = {name: [each[name] for each in found if name in each] for name in (*found[0], "joints")}
    return [
        title, figure(values["overlap"], 2), percent(values["joints"]), figure(values["track"]),
        percent(values["colour"]), percent(values["ground"]), percent(values["shape"]),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--first", type=int, default=910_000, help="seed of the first clip")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=5.0)
    arguments = parser.parse_args()
    backbone, judge = load_backbone(arguments.model), load_judge()
    for kind in arguments.kinds:
        finder = load_joints() if kind == "pose" else None
        net = load_controlnet(kind, None, backbone)
        chosen = cases(kind, arguments.clips, arguments.first)
        shown = [pictures(kind, case) for case in chosen]
        others = [*shown[1:], shown[0]]
        table: dict[str, list[dict[str, float]]] = {}
        for number, case in enumerate(chosen):
            for title, control in ((kind, shown[number]), ("no control", None), ("another clip's", others[number])):
                condition = (
                    None if control is None else Condition(AddResiduals(partial(net, control)), torch.ones(FRAMES))
                )
                frames = made(backbone, case, condition, arguments.steps, arguments.guidance, seed=number)
                table.setdefault(title, []).append(measure(frames, case, judge, finder))
            again = backbone.decode(backbone.encode(case.clip.frames))
            own = Case(case.source, case.prompt, case.source.scene.objects[0].colour, case.source.scene.background)
            table.setdefault("the clip itself, through the VAE", []).append(measure(again, own, judge, finder))
        lines = [row(title, found) for title, found in table.items()]
        show(f"{kind}: {len(chosen)} held-out clips from pure noise, {arguments.steps} steps", HEADER, lines)


if __name__ == "__main__":
    main()
