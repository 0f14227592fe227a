"""What is wrong with masks."""

from __future__ import annotations

from tests.bad.case import Case
from tests.bad.things import Desk, pictures, video


def masked(desk: Desk, mask: object, *more: object) -> list[object]:
    return desk.edit("--mask", mask, *more)


MASKS: dict[str, Case] = {
    "a mask that is not there": (lambda d: masked(d, d.bad / "m.png"), "m.png does not exist", "expected auto, none"),
    "a mask of a word": (lambda d: masked(d, "atuo"), "the mask atuo does not exist", "expected auto, none"),
    "text as a mask's picture": (
        lambda d: masked(d, d.file("m.png", "hello")),
        "m.png cannot be read as a picture",
        "expected one of PNG",
    ),
    "text as a mask's video": (
        lambda d: masked(d, d.file("m.mp4", "hello\n" * 99)),
        "m.mp4 cannot be read as video",
        "expected",
    ),
    "a mask of another length": (
        lambda d: masked(d, video(d.bad / "m.mp4", 3), "--frames", 2),
        "m.mp4 has 3 frames",
        "expected 5, those of the whole clip, or 2, those edited",
    ),
    "a mask that is black": (
        lambda d: masked(d, pictures(d, (16, 16)) / "0.png"),
        "0.png is black throughout",
        "paint white where the edit may happen",
    ),
    "a box outside of the picture": (
        lambda d: masked(d, "box:100,0,5,5"),
        "box:100,0,5,5 lies outside of the picture, which is 46x30",
        "move it",
    ),
    "a box that begins before the picture": (
        lambda d: masked(d, "box:-3,0,5,5"),
        "'box:-3,0,5,5' begins outside",
        "expected X and Y of 0 or more",
    ),
    "a box without area": (lambda d: masked(d, "box:1,1,0,5"), "'box:1,1,0,5' has no area", "expected W and H above 0"),
    "a garbled box": (lambda d: masked(d, "box:1,2,x"), "'box:1,2,x' is no box", "expected box:X,Y,W,H"),
    "a mask of no word": (lambda d: masked(d, "word: "), "'word: ' names no word", "expected word:WORD"),
    "a mask of a word without a source prompt": (
        lambda d: masked(d, "word:cat"),
        "--mask word:cat is a word of the source prompt",
        "--source-prompt",
    ),
    "a mask of a word that is not said": (
        lambda d: masked(d, "word:moon", "--source-prompt", "a dog"),
        "does not say 'moon'",
        "its words are: a, dog",
    ),
    "an empty mask": (lambda d: masked(d, ""), "--mask: '' is no path", "--mask"),
}
