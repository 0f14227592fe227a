"""Whether the video follows the sound: ``python -m benchmarks.audio_following``.

Held-out sounds of the world, each of a ground under rain or snow that falls now harder, now softer, and what a judge
sees in the clips that are made of them: which ground, which weather, and how hard it falls in each frame. "Follows" is
the correlation of that with how hard it falls in the sound, at the lag of at most two frames that suits best.

retrieval: whether the caption nearest to what the encoder hears is the sound's own.
sound: what the learned encoder hears says what is seen, in clips that are generated, and in edits of held-out clips.
emphasis: no encoder; loudness drives how much the word "rain" counts. Beats are those of click tracks, and are seen
where rain gathers by a tenth of its range from two frames before a beat to one after.
Beside each other: the sound, no sound, and another clip's sound. Brackets are 95 % bootstrap intervals over sounds.
"""

from __future__ import annotations

import argparse
import wave
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import vedit
import world
from benchmarks.held_out import centres
from benchmarks.judge import load_judge
from benchmarks.judge.weather import load_weather_judge
from benchmarks.listening_accuracy import RATE as CLICK_RATE
from benchmarks.listening_accuracy import click
from benchmarks.table import figure, percent, show
from vedit import Clip, load_backbone
from vedit.backbone.model import Backbone
from vedit.conditioners.audio import model_sound_encoder
from vedit.conditioners.sound_encoder import load_sound_encoder
from world import Rendered
from world.scene import FAINTEST
from world.sounds import RATE, sound

FRAMES, FPS = 16, 8
BEAT_FRAMES, BEAT_FPS = 24, 12
KNOTS = 4
"""Points of the curve that says how hard it falls, half a second apart."""

RETRIEVED = 200
"""Sounds of the table of captions."""

LAG = 2
"""Frames by which what is seen may come before or after what is heard."""

EMPHASIS = "0.3+0.7*loudness"
BEAT_EMPHASIS = "0.3+0.8*percussive"
"""How much "rain" counts: chosen on other sounds than these."""


@dataclass(frozen=True)
class Case:
    """A sound, what is to be seen of it, and a clip of the same ground in clear air to be edited."""

    path: Path
    ground: world.Background
    weather: world.Weather
    truth: np.ndarray
    """(F,) how hard it falls in each frame."""
    source: Rendered

    @property
    def thing(self) -> str:
        first = self.source.scene.objects[0]
        return f"a {first.colour} {first.shape}"


def write(path: Path, samples: np.ndarray, rate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def cases(count: int, first: int, folder: Path) -> list[Case]:
    """``count`` held-out sounds as files in ``folder``, rain and snow in turn."""
    made = []
    for seed in range(first, first + count):
        rng = np.random.default_rng([61, seed])
        scene = world.sample_scene(seed, "held_out", frames=FRAMES)
        weather: world.Weather = ("rain", "snow")[seed % 2]
        curve = rng.uniform(FAINTEST, 1, KNOTS)
        seconds = FRAMES / FPS
        path = write(folder / f"{seed}.wav", sound(scene.background, weather, curve, seconds, seed), RATE)
        middles = (np.arange(FRAMES) + 0.5) / FRAMES * KNOTS - 0.5
        truth = np.interp(middles, np.arange(KNOTS), curve)
        made.append(Case(path, scene.background, weather, truth, world.render(scene, FRAMES)))
    return made


@dataclass(frozen=True)
class Track:
    """Clicks, the seconds of their beats, and a clip in clear air to be edited."""

    path: Path
    beats: np.ndarray
    source: Rendered


def clicks(count: int, first: int, folder: Path) -> list[Track]:
    """Click tracks of 50 to 140 BPM as files in ``folder``."""
    made = []
    for seed in range(first, first + count):
        rng = np.random.default_rng([62, seed])
        seconds, bpm = BEAT_FRAMES / BEAT_FPS, float(rng.uniform(50, 140))
        beats = np.arange(rng.uniform(0.2, 0.5), seconds - 0.2, 60 / bpm)
        samples, one = np.zeros(round(seconds * CLICK_RATE)), click(rng)
        for beat in beats:
            piece = samples[round(beat * CLICK_RATE) :][: len(one)]
            piece += 0.8 * one[: len(piece)]
        path = write(folder / f"clicks{seed}.wav", samples.clip(-1, 1), CLICK_RATE)
        scene = world.sample_scene(seed, "held_out", frames=BEAT_FRAMES)
        made.append(Track(path, beats, world.render(scene, BEAT_FRAMES)))
    return made


def follows(truth: np.ndarray, seen: np.ndarray) -> float:
    """Correlation of two curves (F,) at the lag that suits best; 0 where nothing changes."""
    best = -1.0
    for lag in range(-LAG, LAG + 1):
        heard, shown = truth[max(0, -lag) : len(truth) - max(0, lag)], seen[max(0, lag) : len(seen) + min(0, lag)]
        if heard.std() < 1e-6 or shown.std() < 1e-3:
            return 0.0
        best = max(best, float(np.corrcoef(heard, shown)[0, 1]))
    return best


def answered(beats: np.ndarray, seen: np.ndarray) -> float:
    """Share of beats (seconds) at which the curve (F,) rises by a tenth."""
    rises = []
    for beat in beats:
        at = int(beat * BEAT_FPS)
        before, after = seen[max(0, at - 2) : at + 1], seen[at : at + 2]
        rises.append(after.max() - before.min() > 0.1)
    return float(np.mean(rises))


def consistency(frames: Tensor) -> float:
    """Mean cosine of what the judge of objects sees in neighbouring frames, 1 where they are alike."""
    features = _judge().features(frames)
    return float(F.cosine_similarity(features[1:], features[:-1]).mean())


_judge, _sky = cache(load_judge), cache(load_weather_judge)


def generated(backbone: Backbone, prompt: str, fps: int, frames: int, steps: int, **settings: Any) -> Tensor:
    return vedit.generate(backbone, prompt, fps=fps, frames=frames, steps=steps, **settings).clip.frames


def edited(backbone: Backbone, source: Rendered, prompt: str, fps: int, steps: int, **settings: Any) -> Tensor:
    clip = Clip(torch.from_numpy(source.frames).clamp(0, 1), Fraction(fps))
    words = source.scene.caption
    made = vedit.edit(
        backbone, clip, prompt, source_prompt=words, steps=steps, check_inversion=False, mask="none", **settings
    )
    return made.clip.frames


def measured(frames: Tensor, case: Case, *, of_edit: bool = False) -> dict[str, float]:
    sky = _sky().see(frames)
    found = {
        "ground": float(np.mean([each == case.ground for each in sky.ground])),
        "weather": float(np.mean([each == case.weather for each in sky.weather])),
        "follows": follows(case.truth, sky.intensity.numpy()),
        "consistency": consistency(frames),
    }
    if of_edit:
        seen, thing = _judge().see(frames), case.source.scene.objects[0]
        found["kept"] = float(np.mean([each == thing.colour for each in seen.colour]))
        found["track"] = float((seen.centre - centres(case.source.masks[:, 0])).norm(dim=1).mean())
    return found


Way = Callable[[Case, Case], Tensor]
"""What is made of a case; the second is another one, whose sound may be taken."""


def ways(backbone: Backbone, steps: int) -> dict[str, dict[str, Way]]:
    """For each table its rows."""

    def alone(audio: Path | None, prompt: str = "", **more: Any) -> Tensor:
        return generated(backbone, prompt, FPS, FRAMES, steps, audio=audio, **more)

    def edit(case: Case, audio: Path | None, prompt: str, **more: Any) -> Tensor:
        return edited(backbone, case.source, prompt, FPS, steps, audio=audio, **more)

    def driven(case: Case) -> dict[str, Any]:
        return {"audio_scale": 0, "emphasis": [f"{case.weather}={EMPHASIS}"]}

    def falling(case: Case) -> str:
        return f"{case.source.scene.caption} in {case.weather}"

    return {
        "sound, generated": {
            "the sound alone": lambda case, other: alone(case.path),
            "with words, 'a red circle'": lambda case, other: alone(case.path, case.thing),
            "no sound": lambda case, other: alone(None),
            "another's sound": lambda case, other: alone(other.path),
        },
        "sound, edits": {
            "the sound": lambda case, other: edit(case, case.path, case.source.scene.caption),
            "no sound": lambda case, other: edit(case, None, case.source.scene.caption),
            "another's sound": lambda case, other: edit(case, other.path, case.source.scene.caption),
        },
        "emphasis, generated": {
            "the sound": lambda case, other: alone(case.path, falling(case), **driven(case)),
            "no sound": lambda case, other: alone(None, falling(case)),
            "another's sound": lambda case, other: alone(other.path, falling(case), **driven(case)),
        },
        "emphasis, edits": {
            "the sound": lambda case, other: edit(case, case.path, falling(case), **driven(case)),
            "no sound": lambda case, other: edit(case, None, falling(case)),
            "another's sound": lambda case, other: edit(case, other.path, falling(case), **driven(case)),
        },
    }


CAPTIONS = [
    ground if weather == "clear" else f"{ground} in {weather}"
    for ground in world.BACKGROUNDS
    for weather in world.WEATHERS
]


def retrieved(backbone: Backbone, count: int, first: int) -> list[list[str]]:
    """How often the caption that is nearest to a sound is its own, among 8 and among all 18 that there are.

    By the mean of the tokens that the UNet is given, against the captions'; and by the summary, against the pooled
    states, which InfoNCE brought together. (The miniature's pooled states hardly differ: most have a cosine of 0.999.)
    """
    path = model_sound_encoder(backbone)
    assert path is not None
    encoder = load_sound_encoder(path)
    ids = backbone.tokenizer(CAPTIONS, padding="max_length", truncation=True, return_tensors="pt").input_ids
    found: dict[str, tuple[list[float], list[float]]] = {"tokens": ([], []), "summary": ([], [])}
    with torch.no_grad():
        said = backbone.text_encoder(ids)
    pooled = F.normalize(said.pooler_output, dim=-1)
    for seed in range(first, first + count):
        rng = np.random.default_rng([63, seed])
        own = int(rng.integers(len(CAPTIONS)))
        ground, _, weather = CAPTIONS[own].partition(" in ")
        samples = sound(ground, weather or "clear", rng.uniform(FAINTEST, 1, KNOTS), FRAMES / FPS, seed)
        with torch.no_grad():
            heard = encoder(torch.from_numpy(samples)[None])
        others = rng.choice([each for each in range(len(CAPTIONS)) if each != own], 7, replace=False)
        apart = (said.last_hidden_state - heard.tokens[0].mean(0)).square().mean((1, 2))
        for name, nearness in (("tokens", -apart), ("summary", pooled @ heard.summary[0, -1])):
            of_eight, of_all = found[name]
            of_eight.append(float(nearness[own] > nearness[others].max()))
            of_all.append(float(nearness.argmax() == own))
    return [[f"by the {name}", *map(percent, shares)] for name, shares in found.items()]


def beats_seen(backbone: Backbone, tracks: list[Track], steps: int, *, of_edit: bool) -> list[list[str]]:
    rows = []
    for title, shift in (("the sound", 0), ("no sound", None), ("another's sound", 1)):
        shares, smooth = [], []
        for number, track in enumerate(tracks):
            driven: dict[str, Any] = {}
            if shift is not None:
                path = tracks[(number + shift) % len(tracks)].path
                driven = {"audio": path, "audio_scale": 0, "emphasis": [f"rain={BEAT_EMPHASIS}"]}
            if of_edit:
                frames = edited(
                    backbone, track.source, f"{track.source.scene.caption} in rain", BEAT_FPS, steps, **driven
                )
            else:
                prompt = "a red circle over sand in rain"
                frames = generated(backbone, prompt, BEAT_FPS, BEAT_FRAMES, steps, seed=number, **driven)
            shares.append(answered(track.beats, _sky().see(frames).intensity.numpy()))
            smooth.append(consistency(frames))
        rows.append([title, percent(shares), figure(smooth, 3)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="*", default=["retrieval", "sound", "emphasis", "beats"])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--sounds", type=int, default=40)
    parser.add_argument("--first", type=int, default=980_000, help="seed of the first sound")
    parser.add_argument("--steps", type=int, default=25)
    arguments = parser.parse_args()
    backbone, steps = load_backbone(arguments.model), arguments.steps
    if "retrieval" in arguments.tables:
        rows = retrieved(backbone, RETRIEVED, arguments.first)
        rows.append(["by chance", *(percent([1 / many]) for many in (8, len(CAPTIONS)))])
        show(f"sound to caption: {RETRIEVED} held-out sounds", ["", "first of 8", "first of 18"], rows)
    with TemporaryDirectory() as name:
        chosen = cases(arguments.sounds, arguments.first, Path(name))
        for title, made_by in ways(backbone, steps).items():
            if title.partition(",")[0] not in arguments.tables:
                continue
            lines, of_edit = [], title.endswith("edits")
            for row, make in made_by.items():
                pairs = zip(chosen, [*chosen[1:], chosen[0]], strict=True)
                found = [measured(make(case, other), case, of_edit=of_edit) for case, other in pairs]
                values = {key: [each[key] for each in found] for key in found[0]}
                more = [percent(values["kept"]), figure(values["track"])] if of_edit else []
                shares = [percent(values["ground"]), percent(values["weather"])]
                lines.append([row, *shares, figure(values["follows"], 2), figure(values["consistency"], 3), *more])
            header = ["", "ground right", "weather right", "follows", "consistency"]
            header += ["colour kept", "track px"] if of_edit else []
            show(f"{title}: {len(chosen)} held-out sounds, {steps} steps", header, lines)
        if "beats" in arguments.tables:
            tracks = clicks(arguments.sounds, arguments.first, Path(name))
            for title, of_edit in (("generated", False), ("edits", True)):
                rows = beats_seen(backbone, tracks, steps, of_edit=of_edit)
                header = ["", "beats seen", "consistency"]
                show(f"beats, {title}: {len(tracks)} held-out click tracks, {steps} steps", header, rows)


if __name__ == "__main__":
    main()
