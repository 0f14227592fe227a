"""Pairs of frames, and what has moved between them: of the world, where it is known exactly, or of one's own clips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import world
from training.captioned_clips import VIDEOS
from training.captions import sentence
from training.data import FRAMES, draw_scene
from training.drawn_strokes import drawn_strokes, moved_by_camera
from training.image_adapter import encoded, read_captions
from training.loop import in_parallel
from vedit.backbone import Backbone
from vedit.backbone.sizes import working_size
from vedit.clip.reading import read_clip
from vedit.flow import Method, estimate_flow

VARIETY = 0.6
"""Share of the scenes that have weather, another look, a second object or a moving camera."""

WALKING = 0.25
"""Share of the scenes whose thing is made a figure, the only one whose parts go different ways."""

NEXT = 0.5
"""Share of the pairs that follow each other at once, as in a roll-out; between the others lies any number of frames."""

TOGETHER = 32
"""Pairs that one process draws at a time."""

TELLINGS = 4
"""How often the words for a pair are drawn."""

EMPTY = 0.5
"""Share of the prompts that are empty."""


@dataclass(frozen=True)
class Pairs:
    """N pairs of frames, the second of which is some time after the first.

    Attributes:
        first: (N, 3, H, W), uint8
        latents: (N, 4, h, w) of the second, scaled, in half precision
        forward: (N, 2, H, W) how far each pixel of the first has moved, in pixels, in half precision
        backward: (N, 2, H, W) how far away what each pixel of the second shows lies in the first, likewise
        visible: (N, H, W) bool, which pixels of the second show what is seen in the first
        camera: (N, 2) by how much of forward the camera moves all of it, in pixels
        points: (N, K) numbers, along the rows, of the pixels of the first that strokes begin at; -1 where fewer are
        computed: (N, 2, H, W) how far each pixel of the first would go, as it is computed from the strokes; no camera
        held: (N, H, W) how firmly each is held, likewise, in half precision
        words: (N, K) numbers of captions in ``states``
        states: (C, T, D) what the text encoder says of each caption
    """

    first: Tensor
    latents: Tensor
    forward: Tensor
    backward: Tensor
    visible: Tensor
    camera: Tensor
    points: Tensor
    computed: Tensor
    held: Tensor
    words: Tensor
    states: Tensor

    def __len__(self) -> int:
        return len(self.first)

    def to(self, device: torch.device) -> Pairs:
        return Pairs(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def chosen(self, which: Tensor) -> Pairs:
        """Some of the pairs, by their numbers (B,)."""
        names = [name for name in self.__dataclass_fields__ if name != "states"]
        return replace(self, **{name: getattr(self, name)[which] for name in names})


Shown = tuple[*tuple[np.ndarray, ...], list[str]]
"""First and second frames, uint8, forward to held, as Pairs has them, and K captions of each pair."""


def shown(seed: int, count: int) -> Shown:
    """``count`` pairs of the world."""
    chance = np.random.default_rng([33, seed])
    rows, captions = [], list[str]()
    for _ in range(count):
        scene = draw_scene(int(chance.integers(2**40)), VARIETY)
        if chance.random() < WALKING:
            scene = scene.changed(shape="person")
        gap = 1 if chance.random() < NEXT else int(chance.integers(1, FRAMES))
        time = int(chance.integers(0, FRAMES - gap))
        first, second, forward, backward, visible = pair_of(scene, time, gap)
        told = stroked(torch.from_numpy(first), torch.from_numpy(forward).float(), chance)
        rows.append((first, second, forward, backward, visible, *(each.numpy() for each in told)))
        captions += ["" if chance.random() < EMPTY else sentence(scene, chance) for _ in range(TELLINGS)]
    return *(np.stack(part) for part in zip(*rows, strict=True)), captions


def stroked(picture: Tensor, forward: Tensor, chance: np.random.Generator) -> tuple[Tensor, ...]:
    """Camera, points, computed and held, as Pairs has them, of a frame (3, H, W), uint8, and its flow (2, H, W)."""
    camera = moved_by_camera(forward)
    points, computed, held = drawn_strokes(picture.float() / 255, forward - camera[:, None, None], chance)
    return camera, points, computed.half(), held.half()


def pair_of(scene: world.Scene, time: int, gap: int) -> tuple[np.ndarray, ...]:
    """The frames of a scene at a time and ``gap`` frames later, uint8, the flow between them both ways, and which
    pixels (H, W) of the second show what is seen in the first."""
    frames, owners = [], []
    for moment in (time, time + gap):
        picture, masks = world.draw_frame(scene, moment, scene.intensity)
        frames.append((picture.clip(0, 1) * 255).round().astype(np.uint8))
        owners.append(np.where(masks.max(0, initial=0) > 0.5, masks.argmax(0) + 1, 0))
    backward = world.exact_flow(scene, time + gap, -gap)
    rows, columns = np.mgrid[0 : world.SIZE, 0 : world.SIZE]
    x, y = (np.rint(axis + there).astype(int) for axis, there in zip((columns, rows), backward, strict=True))
    inside = (x >= 0) & (x < world.SIZE) & (y >= 0) & (y < world.SIZE)
    there = owners[0][y.clip(0, world.SIZE - 1), x.clip(0, world.SIZE - 1)]
    visible = inside & (there == owners[1])
    return *frames, world.exact_flow(scene, time, gap).astype(np.float16), backward.astype(np.float16), visible


def of_world(count: int, backbone: Backbone) -> Pairs:
    """So many pairs, drawn by a process for each core."""
    parts, latents, captions = [], [], list[str]()
    for first, second, *flows, told in in_parallel(partial(shown, count=TOGETHER), range(-(-count // TOGETHER))):
        parts.append([torch.from_numpy(each) for each in (first, *flows)])
        latents.append(encoded(backbone, torch.from_numpy(second)))
        captions += told
    first, *others = (torch.cat(part) for part in zip(*parts, strict=True))
    words, states = read_captions(backbone, captions)
    return Pairs(first, torch.cat(latents), *others, words.view(-1, TELLINGS), states)


def of_clips(
    folder: Path, backbone: Backbone, count: int, *, stride: int = 1, gap: int = 8, method: Method = "dis"
) -> Pairs:
    """So many pairs of the clips of a folder, all brought to the first one's working size; flow is estimated.

    Args:
        stride: take each stride-th frame
        gap: most frames that lie between the frames of a pair
        method: by which flow is estimated
    """
    clips, told = _read(folder, backbone, stride)
    generator, chance = torch.Generator().manual_seed(0), np.random.default_rng(33)

    def roll(below: int) -> int:
        return int(torch.randint(0, below, (1,), generator=generator))

    rows, captions = [], list[str]()
    for _ in range(count):
        number = roll(len(clips))
        frames = clips[number]
        apart = 1 if float(torch.rand((), generator=generator)) < NEXT else 1 + roll(min(gap, len(frames) - 1))
        begin = roll(len(frames) - apart)
        pair = frames[[begin, begin + apart]]
        flow = estimate_flow(pair.float() / 255, method, backbone.device)
        latents = encoded(backbone, pair[1:])[0]
        flows = flow.forward[0].half(), flow.backward[0].half(), ~flow.appeared[0]
        rows.append((pair[0], latents, *flows, *stroked(pair[0], flow.forward[0], chance)))
        captions += ["", told[number]]
    words, states = read_captions(backbone, captions)
    return Pairs(*(torch.stack(part) for part in zip(*rows, strict=True)), words.view(-1, 2), states)


def _read(folder: Path, backbone: Backbone, stride: int) -> tuple[list[Tensor], list[str]]:
    """The clips of a folder (F, 3, H, W), uint8, of two frames at least, and the captions beside them, which may be
    missing."""
    clips, captions, size = [], list[str](), None
    for path in sorted(each for each in folder.iterdir() if each.suffix.lower() in VIDEOS):
        clip = read_clip(path, stride=stride, sound=False)
        if len(clip.frames) < 2:
            continue
        size = size or working_size(clip.size, None, backbone.unet.config, backbone.vae_scale_factor)
        clips.append((clip.resized(size).frames * 255).round().byte())
        beside = path.with_suffix(".txt")
        captions.append(beside.read_text(encoding="utf-8").strip() if beside.is_file() else "")
    if not clips:
        raise SystemExit(f"{folder}: no clip of two frames; expected such as a.mp4")
    return clips, captions
