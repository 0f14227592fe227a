"""What pictures decide: ``python -m benchmarks.image_accuracy``.

Seven tables over held-out scenes of the world. A first frame that is given, beside what spreading it makes without a
model. Pictures whose look is taken: its attributes, and how little of its layout; the same in edits of clips, whose
outlines are kept or not. The same by weight, against words that say otherwise, and at their times. The CLIP that they
are looked at through. Subjects learnt from four pictures each, with a mark that the world does not know. And clips
tuned with and without their frames as a set, asked to move another way. Brackets are 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from torch import Tensor

import vedit
import world
from benchmarks.held_out import CHANGES, Case, cases, measure, other_value
from benchmarks.judge import Judge, load_judge
from benchmarks.judge.fitting import drawn, fitted
from benchmarks.record import record
from benchmarks.table import figure, percent, show
from vedit.adapters.image_files import ENCODER
from vedit.backbone.image_encoder import caption_embeddings, load_image_encoder, shown
from vedit.flow import estimate_flow
from vedit.motion.spread import spread
from vedit.tuning.subject import Naming, class_latents, learn_subject
from world.scene import Scene

FIRST = 900_000
"""Seed of the first scene."""

FRAMES = 8
WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0)
TURN = 4
"""Frame from which on another picture is shown."""

TOKEN = "<mine>"
SUBJECT_PICTURES = 4
MARK, MARK_SEEN = 0.3, 0.15
"""Radius of the spot in a subject's middle, in radii of the subject, and by how much of the range it has to differ from
the rest to be seen. It is black on what is bright, white on what is dark."""

CAPTIONS = 64
FLIPPED = ("shape", "colour", "background", "weather", "look")
OTHER_WAY: dict[world.Direction, world.Direction] = {"left": "up", "right": "down", "up": "left", "down": "right"}
"""Another direction for each."""

Figures = dict[str, float]


def saved(frame: Any, path: Path) -> Path:
    """A frame (3, H, W) in [0, 1] as a picture."""
    pixels = torch.as_tensor(frame).clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path)
    return path


# A first frame that is given


def by_spreading(case: Case, model: str, folder: Path) -> Tensor:
    frames, wanted = case.clip.frames, torch.from_numpy(case.wanted.frames[0]).clamp(0, 1)
    return spread(frames, estimate_flow(frames), [wanted], [0]).frames


def by_editing(case: Case, model: str, folder: Path) -> Tensor:
    first = saved(case.wanted.frames[0], folder / "first.png")
    return vedit.edit(vedit.load_backbone(model), case.clip, first=str(first)).clip.frames


FIRST_ROWS: dict[str, Callable[[Case, str, Path], Tensor]] = {
    "spread, without a model": by_spreading,
    "vedit edit --first": by_editing,
}


def first_figures(case: Case, frames: Tensor, judge: Judge) -> Figures:
    """Of a clip whose first frame was given: attributes of the last frame, and those of ``held_out.measure``."""
    seen, thing = judge.see(frames[-1:]), case.wanted.scene.objects[0]
    last = (
        seen.shape[0] == thing.shape,
        seen.colour[0] == thing.colour,
        seen.background[0] == case.wanted.scene.background,
    )
    return {"last": float(np.mean(last)), **measure(frames, case, judge)}


# Pictures whose look is taken


def elsewhere(scene: Scene, seed: int) -> Scene:
    """Another held-out scene of the same attributes."""
    other = world.sample_scene(seed, "held_out", frames=FRAMES)
    thing, own = other.objects[0], scene.objects[0]
    thing = replace(thing, shape=own.shape, colour=own.colour, tilt=0.0 if own.shape == "person" else thing.tilt)
    return replace(other, objects=(thing,), background=scene.background)


def right(frames: Tensor, scene: Scene, judge: Judge) -> dict[str, float]:
    """Share of the frames (F, 3, H, W) that show each attribute of a scene."""
    seen, thing = judge.see(frames), scene.objects[0]
    pairs = {
        "shape": (seen.shape, thing.shape),
        "colour": (seen.colour, thing.colour),
        "background": (seen.background, scene.background),
    }
    return {name: float(np.mean([each == value for each in found])) for name, (found, value) in pairs.items()}


@dataclass(frozen=True)
class Reference:
    """A picture whose look is taken.

    Attributes:
        number: which of them
        scene: that it shows
        path: of the picture
        centre: (x, y) of its thing, in pixels
    """

    number: int
    scene: Scene
    path: Path
    centre: tuple[float, float]

    @classmethod
    def of(cls, number: int, folder: Path) -> Reference:
        scene = elsewhere(world.sample_scene(FIRST + number, "held_out"), FIRST + 5000 + number)
        picture, mask = world.draw_frame(scene, 0, 0.0)
        y, x = np.argwhere(mask[0] > 0.5).mean(0)
        return cls(number, scene, saved(picture.copy(), folder / "look.png"), (float(x), float(y)))

    def made(self, model: str, prompt: str, **settings: Any) -> Tensor:
        """A generated clip (F, 3, H, W) in [0, 1]."""
        backbone = vedit.load_backbone(model)
        return vedit.generate(backbone, prompt, frames=FRAMES, seed=self.number, **settings).clip.frames


def look_figures(number: int, model: str, judge: Judge, folder: Path) -> Figures:
    """What a picture decides by itself, of one reference."""
    reference = Reference.of(number, folder)
    frames = {"with": reference.made(model, "", image=str(reference.path)), "without": reference.made(model, "")}
    found: Figures = {
        f"{how} {name}": each
        for how, made in frames.items()
        for name, each in right(made, reference.scene, judge).items()
    }
    (x, y), (own_x, own_y) = judge.see(frames["with"]).centre.mean(0).tolist(), reference.centre
    return found | {"x": x, "y": y, "own x": own_x, "own y": own_y}


EDITS: dict[str, dict[str, Any]] = {
    "edit": {},
    "--inject 0": {"inject": 0.0},
}
"""Edits that take a picture's look, by their settings: the second lets go of the clip's outlines."""


def edit_figures(number: int, model: str, judge: Judge, folder: Path, settings: dict[str, Any]) -> Figures:
    """What of a picture's attributes an edit without words takes over."""
    reference, scene = Reference.of(number, folder), world.sample_scene(FIRST + 300 + number, "held_out", frames=FRAMES)
    clip = vedit.Clip(torch.from_numpy(world.render(scene, FRAMES).frames).clamp(0, 1), 8)
    told = {"source_prompt": scene.caption, "image": str(reference.path), "check_inversion": False, "cache": False}
    made = vedit.edit(vedit.load_backbone(model), clip, "", seed=number, **told, **settings).clip.frames
    return right(made, reference.scene, judge)


def weight_figures(number: int, model: str, judge: Judge, folder: Path) -> Figures:
    """What a picture decides against words that say another colour, by its weight, and when another takes its place."""
    reference = Reference.of(number, folder)
    scene, path = reference.scene, reference.path
    said = scene.changed(colour=other_value(scene, "colour", number))
    found: Figures = {}
    for weight in WEIGHTS:
        frames = reference.made(model, said.caption, image=f"{path}:{weight}")
        found[f"weight {weight:g}"] = right(frames, scene, judge)["colour"]
    later = saved(world.draw_frame(said, 0, 0.0)[0].copy(), folder / "later.png")
    colours = judge.see(reference.made(model, "", image=[f"0:{path}", f"{TURN}:{later}"])).colour
    turned = [index for index, each in enumerate(colours) if each == said.objects[0].colour]
    return found | {"turn": float(bool(turned) and abs(turned[0] - TURN) <= 1)}


# The CLIP that they are looked at through


def seen_words(scene: Scene) -> str:
    """What one frame shows, without motions."""
    thing = scene.objects[0]
    article = "an" if thing.colour[0] in "aeiou" else "a"
    return replace(scene, pan=None).said(f"{article} {thing.colour} {thing.shape} over {scene.background}")


def clip_figures(count: int, model: str) -> list[Figures]:
    """Whether held-out frames find their captions among others, and whether one wrong attribute is noticed."""
    backbone = vedit.load_backbone(model)
    if backbone.folder is None or not (backbone.folder / ENCODER).is_dir():
        raise SystemExit(f"{model} has no {ENCODER}; training/README.md trains one.")
    eyes = load_image_encoder(backbone.folder / ENCODER, backbone.device, torch.float32)
    scenes: dict[str, Scene] = {}
    for number in range(FIRST, FIRST + 100 * count):
        scene = world.sample_scene(number, "held_out")
        scenes.setdefault(seen_words(scene), scene)
        if len(scenes) == max(count, CAPTIONS):
            break

    def looked(scene: Scene) -> Tensor:
        frame = torch.from_numpy(world.draw_frame(scene, 0, scene.intensity)[0].copy()).clamp(0, 1)
        return F.normalize(eyes.look(shown(frame[None], eyes.side)).pooled, dim=-1)[0]

    def read(captions: list[str]) -> Tensor:
        words = caption_embeddings(backbone, eyes_folder, captions)
        assert words is not None, "a CLIP with a text tower"
        return F.normalize(words, dim=-1)

    eyes_folder = backbone.folder / ENCODER
    captions, found = [*scenes][:CAPTIONS], list[Figures]()
    words = read(captions)
    for number, caption in enumerate(captions[:count]):
        scene = scenes[caption]
        picture = looked(scene)
        figures: Figures = {"retrieved": float(int((words @ picture).argmax()) == number)}
        for kind in FLIPPED:
            wrong = seen_words(flipped(scene, kind, number))
            pair = read([caption, wrong]) @ picture
            figures[kind] = float(pair[0] > pair[1])
        found.append(figures)
    return found


def flipped(scene: Scene, kind: str, seed: int) -> Scene:
    """A scene with one attribute changed."""
    if kind in CHANGES:
        return scene.changed(**{kind: other_value(scene, kind, seed)})
    values = {"weather": ("rain", "snow"), "look": ("sketch", "neon")}[kind]
    changed = scene.changed(**{kind: values[seed % 2]})
    return replace(changed, intensity=0.5) if kind == "weather" else changed


# Subjects


def marked(scene: Scene, time: float = 0.0) -> Tensor:
    """A frame (3, H, W) whose thing has a spot in its middle."""
    picture, masks = world.draw_frame(scene, time, 0.0)
    spot = _spot(scene.objects[0].position(time), scene.objects[0].radius) & (torch.from_numpy(masks[0]) > 0.5)
    return torch.from_numpy(picture.copy()).clamp(0, 1).where(~spot, 1.0 if _is_dark(scene) else 0.0)


def _is_dark(scene: Scene) -> bool:
    """Whether a scene's thing is, so that its mark is white."""
    return float(np.mean(world.PALETTE[scene.objects[0].colour])) < 0.5


def _spot(centre: tuple[float, float], radius: float) -> Tensor:
    """Where a thing's mark is (H, W), bool."""
    x, y = torch.arange(world.SIZE), torch.arange(world.SIZE)[:, None]
    return (x - centre[0]).square() + (y - centre[1]).square() <= (MARK * radius) ** 2


def judged_marked(frames: Tensor, scene: Scene, judge: Judge) -> dict[str, float]:
    """Share of the frames (F, 3, H, W) that show each attribute of a scene, its thing with what lies within it, and
    that have the mark."""
    bright, thing = frames.mean(1), scene.objects[0]
    verdict = judge.see(frames)
    found = {"shape": 0.0, "mark": 0.0}
    for frame, things in zip(bright, verdict.things, strict=True):
        if not things:
            continue
        whole = torch.from_numpy(ndimage.binary_fill_holes(ndimage.binary_closing(things[0].mask, iterations=2)))
        fit = fitted(whole)
        own = torch.from_numpy(drawn(fit.thing))
        spot = _spot(fit.thing.start, fit.thing.radius)
        brighter = (frame - frame[own & ~spot].median()) * (1 if _is_dark(scene) else -1)
        inner = spot & (brighter > MARK_SEEN)
        found["mark"] += float(inner.sum() > spot.sum() / 2)
        sound = fit.overlap >= float(judge.least[world.SHAPES.index(fit.thing.shape)])
        found["shape"] += float(sound and fit.thing.shape == thing.shape)
    shares = {name: each / len(frames) for name, each in found.items()}
    shares["colour"] = float(np.mean([each == thing.colour for each in verdict.colour]))
    return shares | {"background": float(np.mean([each == scene.background for each in verdict.background]))}


def subject_figures(number: int, model: str, judge: Judge, steps: int, folder: Path) -> Figures:
    """One subject: itself over grounds that it was not shown on, and its class before and after."""
    scene = world.sample_scene(FIRST + number, "held_out", frames=FRAMES)
    if scene.objects[0].shape == "person":  # whose limbs are thinner than the mark
        scene = scene.changed(shape="star")
    thing = scene.objects[0]
    grounds = np.random.default_rng([43, number]).permutation(world.BACKGROUNDS).tolist()
    shown_on, asked = grounds[:SUBJECT_PICTURES], grounds[SUBJECT_PICTURES:]
    backbone = vedit.load_backbone(model)
    places = [elsewhere(replace(scene, background=each), FIRST + 7000 + 10 * number + i)
              for i, each in enumerate(shown_on)]  # fmt: skip
    latents = backbone.encode(torch.stack([marked(each) for each in places]))
    naming = Naming(TOKEN, thing.shape)
    shape = int(latents.shape[1]), int(latents.shape[2]), int(latents.shape[3])
    of_class = class_latents(backbone, naming, 24, shape, number)
    colours = [each for each in world.COLOURS if each != thing.colour][:3]

    def made(prompt: str) -> Tensor:
        return vedit.generate(backbone, prompt, frames=1, seed=number).clip.frames

    def of_class_right() -> float:
        told = [(colour, ground) for colour in colours for ground in asked]
        scenes = [scene.changed(colour=colour, background=ground) for colour, ground in told]
        return float(np.mean([min(right(made(seen_words(each)), each, judge).values()) for each in scenes]))

    before = of_class_right()
    told = [f"{naming.prompt} over {each}" for each in shown_on]
    learnt = learn_subject(
        backbone, latents, naming, told=told, of_class=of_class, steps=steps, learning_rate=1e-3, rank=8
    )
    file, _ = learnt.save(folder / f"{number}.safetensors", overwrite=True)
    backbone = vedit.load_backbone(model, loras=[str(file)])
    frames = [made(f"a {TOKEN} {thing.shape} over {ground}") for ground in asked]
    elsewhere_asked = [replace(scene, background=each) for each in asked]
    itself = [judged_marked(each, there, judge) for each, there in zip(frames, elsewhere_asked, strict=True)]
    through = [backbone.decode(backbone.encode(marked(each)[None])) for each in elsewhere_asked]
    limit = [judged_marked(each, there, judge) for each, there in zip(through, elsewhere_asked, strict=True)]
    return {
        "attributes": float(np.mean([each[name] for each in itself for name in CHANGES])),
        "mark": float(np.mean([each["mark"] for each in itself])),
        "drawn: attributes": float(np.mean([each[name] for each in limit for name in CHANGES])),
        "drawn: mark": float(np.mean([each["mark"] for each in limit])),
        "class before": before,
        "class after": of_class_right(),
    }


# Another motion for a clip that was learnt


def motion_figures(number: int, model: str, judge: Judge, steps: int, mix: float) -> Figures:
    """Whether a tuned clip moves the way that is asked for."""
    scene = world.sample_scene(FIRST + number, "held_out", frames=FRAMES)
    way = OTHER_WAY[scene.objects[0].direction]
    case = Case("direction", world.render(scene, FRAMES), world.render(scene.changed(direction=way), FRAMES))
    backbone = vedit.load_backbone(model)
    vedit.tune(backbone, case.clip, case.source_prompt, steps=steps, mix=mix).apply(backbone)
    made = vedit.edit(
        backbone, case.clip, case.prompt, source_prompt=case.source_prompt, prior="gaussian", mask="none", inject=0.0,
        strength=1.0, control="none", check_inversion=False, seed=number,
    )  # fmt: skip
    centres = judge.see(made.clip.frames).centre
    gone = centres[-1] - centres[0]
    unit = torch.tensor(world.paths.UNIT[way], dtype=torch.float32)
    along = float(gone @ unit)
    return {"moved": float(along > 2 * float((gone - along * unit).norm()) and along > 4)}


def correlation(found: list[Figures]) -> str:
    """Of where things are in pictures with where they are in what was made of them, both ways."""
    if len(found) < 3:
        return ""
    pairs = [(np.array([each[axis] for each in found]), np.array([each[f"own {axis}"] for each in found]))
             for axis in ("x", "y")]  # fmt: skip
    return ", ".join(f"{np.corrcoef(*pair)[0, 1]:.2f}" for pair in pairs)


def tables(arguments: argparse.Namespace, folder: Path) -> dict[str, list[Figures]]:
    """Every clip's figures, each table printed as it is made."""
    judge, model, count = load_judge(), arguments.model, arguments.clips
    every: dict[str, list[Figures]] = {}

    def wanted(table: str) -> bool:
        return arguments.table in (None, table)

    def column(name: str, figures: list[Figures]) -> list[float]:
        return [each[name] for each in figures]

    if wanted("first"):
        chosen, rows = cases(count, FIRST), []
        for title, way in FIRST_ROWS.items():
            every[title] = found = [first_figures(case, way(case, model, folder), judge) for case in chosen]
            rows.append([title, percent(column("last", found)), figure(column("overlap", found), 2),
                         figure(column("unchanged", found)), figure(column("track", found), 2)])  # fmt: skip
        header = ["", "attributes of the last frame", "IoU", "unchanged dB", "track px"]
        show(f"The exact first frame given, {count} clips", header, rows)
    if wanted("look"):
        every["look"] = found = [look_figures(number, model, judge, folder) for number in range(count)]
        rows = [[f"{how} the picture", *(percent(column(f"{how} {name}", found)) for name in CHANGES)]
                for how in ("with", "without")]  # fmt: skip
        show(f"A picture and no words, {count} references", ["", *CHANGES], rows)
        show("Layout", ["", ""], [["places, correlation", correlation(found)]])
    if wanted("edits"):
        rows = []
        for title, settings in EDITS.items():
            every[title] = found = [edit_figures(number, model, judge, folder, settings) for number in range(count)]
            rows.append([title, *(percent(column(name, found)) for name in CHANGES)])
        show(f"A picture and no words, {count} clips edited", ["", *CHANGES], rows)
    if wanted("weights"):
        every["weights"] = found = [weight_figures(number, model, judge, folder) for number in range(count)]
        rows = [[f"{weight:g}", percent(column(f"weight {weight:g}", found))] for weight in WEIGHTS]
        show("Against words of another colour", ["weight", "the picture's colour"], rows)
        show("A change in mid-clip", ["", ""], [["seen within a frame", percent(column("turn", found))]])
    if wanted("clip"):
        every["clip"] = found = clip_figures(count, model)
        rows = [[name, percent(column(name, found))] for name in ("retrieved", *FLIPPED)]
        show(f"Captions among {CAPTIONS}, and one wrong attribute", ["", "right"], rows)
    if wanted("subjects"):
        steps = arguments.steps or 400
        every["subjects"] = found = [subject_figures(each, model, judge, steps, folder) for each in range(count)]
        names = ("attributes", "mark", "drawn: attributes", "drawn: mark", "class before", "class after")
        show(f"{count} subjects of {SUBJECT_PICTURES} pictures", [*names], [[percent(column(n, found)) for n in names]])
    if wanted("motion"):
        rows = []
        for title, mix in (("as video and as a set", 0.65), ("as video alone", 1.0)):
            steps = arguments.steps or 500
            every[title] = found = [motion_figures(each, model, judge, steps, mix) for each in range(count)]
            rows.append([title, percent(column("moved", found))])
        show(f"{count} tuned clips asked to move elsewhere", ["", "they do"], rows)
    return every


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--table", choices=["first", "look", "edits", "weights", "clip", "subjects", "motion"], help="one table only"
    )
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=40, help="or references, or subjects")
    parser.add_argument("--steps", type=int, help="of learning")
    parser.add_argument("--save", type=Path, help="also write every figure as JSON")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        every = tables(arguments, Path(folder))
    if arguments.save:
        record(arguments.save, every)


if __name__ == "__main__":
    main()
