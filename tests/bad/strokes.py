"""What is wrong with motion strokes: in a file of vedit's own, and in those of other tools."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.bad.case import Case
from tests.bad.things import Desk, Payload

HEAD = "version: 1\nsize: [64, 48]\n"
WAY = "points: [[10, 10], [30, 20]]"


def shown(desk: Desk, path: Path, *more: object) -> list[object]:
    return ["inspect", "motion", path, "-o", desk.out / "o.png", *more]


def strokes(text: str, head: str = HEAD, *more: object) -> Any:
    return lambda d: shown(d, d.file("s.yaml", head + text), *more)


def stroke(text: str) -> Any:
    """A file whose second stroke has these lines."""
    return strokes(f"strokes:\n  - {WAY}\n  - name: ball\n    {text}\n")


def array(desk: Desk, name: str, value: Any, pickled: bool = False) -> Path:
    np.save(desk.bad / name, value, allow_pickle=pickled)
    return desk.bad / name


def ati(desk: Desk, content: object) -> Path:
    torch.save(content, desk.bad / "a.pth")
    return desk.bad / "a.pth"


def npz(**arrays: Any) -> bytes:
    held = io.BytesIO()
    np.savez(held, allow_pickle=True, **arrays)
    return held.getvalue()


def compressed(**arrays: Any) -> bytearray:
    """An .npz whose compressed bytes are damaged."""
    held = io.BytesIO()
    np.savez_compressed(held, allow_pickle=True, **arrays)
    content = bytearray(held.getvalue())
    content[50:60] = b"\xff" * 10
    return content


def folder(desk: Desk, name: str, content: object) -> Path:
    (desk.bad / name).write_text(json.dumps(content))
    return desk.bad / name


def over(desk: Desk, width: int, height: int) -> Path:
    Image.new("RGB", (width, height)).save(desk.bad / "p.png")
    return desk.bad / "p.png"


MANY = "".join(f"  - points: [[{index % 60}, 1], [2, 2]]\n" for index in range(10_000))


def sway(text: str) -> Any:
    """A file whose second thing that sways has these lines."""
    return strokes(f"sway:\n  - {{point: [1, 1], frequency: 1, amplitude: 2}}\n  - name: sea\n    {text}\n")


STROKES: dict[str, Case] = {
    "no strokes file": (lambda d: shown(d, d.bad / "no.yaml"), "no.yaml does not exist", "expected a strokes file"),
    "a clip as strokes": (lambda d: shown(d, d.good.clip), "is not text", "expected a strokes file"),
    "an empty strokes file": (strokes("", head=""), "s.yaml holds no strokes", "docs/strokes.md"),
    "strokes that are no YAML": (strokes("strokes: [[\n"), "s.yaml:4", "not YAML"),
    "strokes that run code": (
        strokes("strokes: !!python/object/apply:os.mkdir [opened]\n"),
        "s.yaml:3: not YAML",
        "expected a strokes file",
    ),
    "strokes without a version": (strokes("", head="size: [4, 4]\n"), "version is missing", "1, the layout"),
    "strokes of a later version": (
        strokes("", head="version: 9\nsize: [4, 4]\n"),
        "s.yaml:1: version: 9",
        "expected 1",
    ),
    "strokes without a size": (strokes("", head="version: 1\n"), "size is missing", "[width, height]"),
    "a sway of nothing": (sway("frequency: 1\n    amplitude: 2"), "s.yaml:5: sway 2 'sea'", "give one of the two"),
    "a sway without a frequency": (sway("point: [1, 2]\n    amplitude: 2"), "sway 2 'sea'", "frequency is missing"),
    "a sway of two frequencies and one amplitude": (
        sway("point: [1, 2]\n    frequency: [1, 2]\n    amplitude: 2"),
        "amplitude has 1 entries, and frequency 2",
        "give one for each",
    ),
    "a sway of a negative amplitude": (
        sway("point: [1, 2]\n    frequency: 1\n    amplitude: -2"),
        "sway 2 'sea'",
        "amplitude: -2 is out of range",
    ),
    "a sway that is too fast for its frames": (
        sway("point: [1, 2]\n    frequency: 7\n    amplitude: 2"),
        "sea: it goes to and fro 0.88 times from one frame to the next",
        "lower its frequency",
    ),
    "a sway to beats that are not there": (
        sway("point: [1, 2]\n    frequency: 1\n    amplitude: 2\n    per: beat"),
        "sea: it is counted by beats",
        "--bpm",
    ),
    "a sway far outside": (
        sway("point: [900, 2]\n    frequency: 1\n    amplitude: 2"),
        "sway 2 'sea': [900, 2] lies far outside",
        "draw it nearer",
    ),
    "a sway with a radius around nothing": (
        sway("mask: box:1,1,9,9\n    radius: 3\n    frequency: 1\n    amplitude: 2"),
        "a radius lies around a point",
        "give the point",
    ),
    "a sway that is a list": (strokes("sway: [[1, 2]]\n"), "sway 1: is '[1, 2]'", "expected name, mask"),
    "sways that are a mapping": (strokes("sway: {point: [1, 2]}\n"), "s.yaml:3: sway", "is no list"),
    "two sways of one name": (
        strokes("sway:\n" + 2 * "  - {name: sea, point: [1, 1], frequency: 1, amplitude: 2}\n"),
        "two things that sway are called 'sea'",
        "its own name",
    ),
    "a size of three": (strokes("", head="version: 1\nsize: [4, 4, 4]\n"), "s.yaml:2: size", "[width, height]"),
    "a size of nothing": (strokes("", head="version: 1\nsize: [0, 4]\n"), "size: [0, 4] is no size", "in pixels"),
    "an unknown key of strokes": (strokes("stroks: []\n"), "stroks", "did you mean 'strokes'?"),
    "strokes that are none": (strokes("strokes: 3\n"), "strokes: is no list", "s.yaml:3"),
    "a stroke that is a word": (strokes("strokes: [ball]\n"), "stroke 1: is 'ball'", "expected name, points"),
    "a key twice": (strokes("loop: true\nloop: true\n"), "s.yaml:4", "given twice"),
    "no points": (stroke("points: []"), "stroke 2 'ball': points: [] has no points", "expected 2 or more"),
    "one point": (stroke("points: [[1, 1]]"), "'ball': points: [[1, 1]] has one point", "is an anchor"),
    "a point of three": (stroke("points: [[1, 1], [1, 2, 3]]"), "'ball': points", "expected [x, y]"),
    "a point of words": (stroke("points: [[1, 1], [a, 2]]"), "'ball': points", "'a', which is not a number"),
    "a point that is NaN": (stroke("points: [[1, 1], [.nan, 2]]"), "'ball': points", "nan, which is not a number"),
    "a point without end": (stroke("points: [[1, 1], [.inf, 2]]"), "'ball': points", "not a number that can be"),
    "a point far outside": (
        stroke("points: [[1, 1], [90, 2]]"),
        "stroke 2 'ball': [90, 2] lies far outside of the picture",
        "64x48; draw it nearer",
    ),
    "times that go back": (stroke(f"{WAY}\n    times: [4, 2]"), "'ball': the time 2 is no later", "after the other"),
    "too few times": (stroke(f"{WAY}\n    times: [4]"), "'ball': times has 1 entries", "give one for each"),
    "an unknown unit": (stroke(f"{WAY}\n    times: [0, 3m]"), "'3m' of an unknown unit", "seconds (2s)"),
    "a time before the clip": (stroke(f"{WAY}\n    times: [-1, 3]"), "'ball': times", "expected 0 or more"),
    "times of units that go back": (
        stroke(f"{WAY}\n    times: [2s, 3]"),
        "ball: its time 3 turns out no later",
        "in order",
    ),
    "beats without a sound": (stroke(f"{WAY}\n    times: [0, 4b]"), "ball: its times count beats", "--bpm"),
    "loudness without a sound": (stroke(f"{WAY}\n    strength: loudness"), "ball: the timeline 'loudness'", "--audio"),
    "a negative strength": (stroke(f"{WAY}\n    strength: -1"), "'ball': strength: -1", "0..4"),
    "a bad timeline": (stroke(f"{WAY}\n    strength: lodness"), "'ball': strength", "did you mean 'loudness'?"),
    "a shape that is unknown": (stroke(f"{WAY}\n    shape: {{skew: 2}}"), "'ball': shape: skew", "scale, turn"),
    "a radius of nothing": (stroke(f"{WAY}\n    radius: 0"), "'ball': radius: 0", "above 0"),
    "a radius and a mask": (
        stroke(f"{WAY}\n    radius: 2\n    mask: box:0,0,9,9"),
        "'ball': radius and mask exclude each other",
        "what moves",
    ),
    "visible for too many": (stroke(f"{WAY}\n    visible: [true]"), "'ball': visible has 1 entries", "for each"),
    "a mask that is not there": (stroke(f"{WAY}\n    mask: no.png"), "ball: ", "no.png"),
    "a mask of a word": (
        stroke(f"{WAY}\n    mask: word:cat"),
        "ball: the mask word:cat needs a model that looks at a picture",
        "an outline",
    ),
    "a mask of no word": (stroke(f"{WAY}\n    mask: 'word: '"), "'ball': mask: 'word: ' names no word", "word:WORD"),
    "a mask beyond the picture": (stroke(f"{WAY}\n    mask: box:70,2,9,9"), "covers nothing", "draw it around"),
    "an outline of two corners": (stroke(f"{WAY}\n    mask: [[1, 1], [2, 2]]"), "outline of 2 corners", "3 to 2,000"),
    "two of a name": (
        strokes(f"strokes:\n  - {{name: a, {WAY}}}\n  - {{name: a, {WAY}}}\n"),
        "two strokes are called 'a'",
        "its own name",
    ),
    "10,000 strokes": (strokes(f"strokes:\n{MANY}"), "s.yaml", "more than 100,000 values"),
    "10,000 strokes as JSON": (
        lambda d: shown(d, folder(d, "s.json", {"version": 1, "size": [64, 48], "strokes": [{}] * 10_000})),
        "strokes: 10,000 of them",
        "expected at most 256",
    ),
    "10,001 points": (
        lambda d: shown(
            d,
            folder(d, "s.json", {"version": 1, "size": [64, 48], "strokes": [{"points": [[1, 1], [2, 2]] * 5001}]}),
        ),
        "the strokes have 10,002 points",
        "expected at most 10,000",
    ),
    "NaN in JSON": (
        lambda d: shown(d, d.file("s.json", '{"version": 1, "size": [4, 4], "rate": NaN}')),
        "s.json cannot be read as JSON",
        "NaN is no number",
    ),
    "JSON without an end": (lambda d: shown(d, d.file("s.json", "[" * 9000)), "s.json", "expected a strokes file"),
    "an anchor that is no point": (strokes("anchors: [[1]]\n"), "anchor 1: point", "expected [x, y]"),
    "an anchor far outside": (strokes("anchors: [[1, 1], [1, 99]]\n"), "anchor 2: [1, 99] lies far outside", "nearer"),
    "a zoom of nothing": (strokes("camera: {zoom: 0}\n"), "s.yaml:3: camera: zoom: 0", "0.05..20"),
    "a pan of one": (strokes("camera: {pan: 3}\n"), "camera: pan: 3 is no pan", "expected [x, y]"),
    "a camera per minute": (strokes("camera: {per: minute}\n"), "camera: per: 'minute'", "clip, second"),
    "a rate of nothing": (strokes("rate: 0\n"), "rate: 0 is no rate", "frames per second"),
    "an open loop with times": (
        strokes(f"loop: true\nstrokes:\n  - {WAY}\n    times: [0, 4]\n"),
        "stroke 1: it ends elsewhere than it begins",
        "close it",
    ),
    "a picture of another aspect": (
        lambda d: shown(d, d.file("s.yaml", HEAD), "--over", over(d, 64, 64)),
        "drawn on 64x48 pixels",
        "the same aspect",
    ),
    "a picture that is not there": (
        lambda d: shown(d, d.file("s.yaml", HEAD), "--over", d.bad / "no.png"),
        "no.png does not exist",
        "expected a picture",
    ),
    "a canvas for vedit's own": (strokes("", HEAD, "--canvas", "9x9"), "canvas is of other tools'", "says its size"),
    "an unknown tool": (strokes("", HEAD, "--tool", "runway"), "--tool: 'runway' is unknown", "motionctrl"),
    "strokes over themselves": (
        lambda d: shown(d, s := d.file("s.yaml", HEAD), "--save-data", s, "--overwrite"),
        "s.yaml is the strokes itself",
        "another place",
    ),
    "lines that are no points": (
        lambda d: shown(d, d.file("t.txt", "1, 2\nthree\n")),
        "t.txt is not as MotionCtrl writes it",
        "line 2 is 'three'; expected x, y",
    ),
    "a text of one point": (lambda d: shown(d, d.file("t.txt", "1, 2\n")), "MotionCtrl", "expected 2 or more points"),
    "an array of pickles": (
        lambda d: shown(d, array(d, "a.npy", np.array([Payload()], object), pickled=True)),
        "a.npy is not as",
        "holds a pickle, which is not opened",
    ),
    "a flow of NaN": (
        lambda d: shown(d, array(d, "a.npy", np.full((3, 8, 8, 2), np.nan))),
        "MotionCtrl",
        "not a number everywhere",
    ),
    "an array of another shape": (
        lambda d: shown(d, array(d, "a.npy", np.zeros((3, 3)))),
        "its shape is (3, 3)",
        "expected tracks (1, frames, N, 2)",
    ),
    "tracks cut short": (
        lambda d: shown(d, d.file("a.npy", array(d, "b.npy", np.zeros((1, 3, 1, 2))).read_bytes()[:140])),
        "a.npy is not as",
        "it is no array of numpy's",
    ),
    "a pickle of ATI": (
        lambda d: shown(d, ati(d, {"a": Payload()})),
        "a.pth is not as ATI writes it",
        "without running code",
    ),
    "a plain pickle": (
        lambda d: shown(d, d.file("a.pth", pickle.dumps(Payload()))),
        "a.pth is not as ATI writes it",
        "without running code",
    ),
    "a pickle within ATI's": (
        lambda d: shown(d, ati(d, npz(array=np.array([Payload()], object)))),
        "a.pth is not as ATI writes it",
        "holds a pickle, which is not opened",
    ),
    "a tensor of ATI that is not stored": (
        lambda d: shown(d, ati(d, torch.zeros(1, dtype=torch.uint8).expand(2**20))),
        "a.pth is not as ATI writes it",
        "not stored whole",
    ),
    "an archive of ATI that is damaged": (
        lambda d: shown(d, ati(d, torch.frombuffer(compressed(array=np.zeros((1, 9, 1, 3))), dtype=torch.uint8))),
        "a.pth is not as ATI writes it",
        "no .npz with an 'array'",
    ),
    "a line of spaces": (
        lambda d: shown(d, d.file("t.txt", "1, 2\n1" + " " * 100_000 + "x\n")),
        "t.txt is not as MotionCtrl writes it",
        "line 2 is '1",
    ),
    "a time of spaces": (
        stroke(f'{WAY}\n    times: [0, "1{" " * 100_000}!"]'),
        "which is no time",
        "expected frames (12)",
    ),
    "a mask far outside": (
        stroke(f"{WAY}\n    mask: [[0, 0], [1.0e+9, 0], [9, 9]]"),
        "the mask of ball: [1e+09, 0] lies far outside",
        "draw it nearer",
    ),
    "a zoom without end": (
        strokes("frames: 320\nrate: 8\ncamera: {zoom: 0.05, per: second}\n"),
        "camera: its zoom comes to",
        "zoom more slowly",
    ),
    "a folder of nothing": (lambda d: shown(d, d.bad), "is a folder without", "expected one of these"),
    "a trajectory of DragAnything without a mask": (
        lambda d: shown(d, folder(d, "demo.json", {"1": {"trajectory": [[1, 2], [3, 4]]}})),
        "no mask says the picture's size",
        "--canvas WIDTHxHEIGHT",
    ),
    "a mask elsewhere": (
        lambda d: shown(d, folder(d, "demo.json", {"1": {"mask_name": "../m.png", "trajectory": [[1, 2], [3, 4]]}})),
        "demo.json is not as DragAnything writes it",
        "is not in its folder",
    ),
    "key points of words": (
        lambda d: shown(d, folder(d, "m.json", {"traj_key_points": [[["a", 1], [2, 3]]]})),
        "m.json is not as MotionPro writes it",
        "hold what is no point",
    ),
}
