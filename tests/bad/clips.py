"""What is wrong with clips, and with what is looked for in them."""

from __future__ import annotations

from tests.bad.case import Case
from tests.bad.things import CLIP_FRAMES, cut, keypoints, pictures, renamed, sound, video

CLIPS: dict[str, Case] = {
    "missing file": (lambda d: d.edit(clip=d.bad / "no.mp4"), "no.mp4 does not exist", "expected a video file"),
    "empty file": (lambda d: d.edit(clip=d.file("e.mp4", "")), "e.mp4 is empty", "0 bytes"),
    "text as mp4": (lambda d: d.edit(clip=d.file("t.mp4", "hello\n" * 99)), "cannot be read as video", "expected one"),
    "a playlist as mp4": (
        lambda d: d.edit(clip=d.file("p.mp4", f"#EXTM3U\n#EXTINF:1,\n{d.good.clip}\n")),
        "cannot be read as video",
        "expected one",
    ),
    "cut in the middle": (
        lambda d: d.edit(clip=cut(video(d.bad / "c.mp4", 40, faststart=True), 0.6)),
        "c.mp4",
        "allow-partial",
    ),
    "cut, without moov": (lambda d: d.edit(clip=cut(video(d.bad / "c.mp4", 40), 0.6)), "c.mp4", "cut short"),
    "sound only, m4a": (lambda d: d.edit(clip=sound(d.bad / "s.m4a")), "s.m4a", "use .mp4"),
    "sound only, mp4": (lambda d: d.edit(clip=sound(d.bad / "s.mp4")), "only sound", "expected a video"),
    "wav as mp4": (
        lambda d: d.edit(clip=renamed(sound(d.bad / "s.wav"), "w.mp4")),
        "cannot be read as video",
        "expected",
    ),
    "no control": (lambda d: d.edit("--control", "egde"), "egde", "did you mean 'edge'"),
    "a control too strong": (lambda d: d.edit("--control", "edge:3"), "'3'", "expected 0 to 2"),
    "a window the wrong way round": (lambda d: d.edit("--control", "edge@0.6-0.2"), "edge", "ends before it begins"),
    "no keypoints": (lambda d: d.edit("--control", "pose:no.json"), "no.json", "does not exist"),
    "keypoints of another length": (
        lambda d: d.edit("--control", f"pose:{d.file('k.json', keypoints(64, 64, frames=1))}"),
        "k.json",
        "keypoints for 1 frames",
    ),
    "keypoints of another aspect": (
        lambda d: d.edit("--control", f"pose:{d.file('k.json', keypoints(500, 64, frames=3))}", "--frames", 3),
        "k.json",
        "expected the same aspect",
    ),
    "no ControlNet": (lambda d: d.edit("--control", "edge:net=nowhere"), "nowhere", "no folder and no hub id"),
    "one pixel": (lambda d: d.edit(clip=video(d.bad / "dot.mp4", 3, (1, 1))), "1x1", "expected 8x8 or more"),
    "zero frames": (lambda d: d.edit(clip=video(d.bad / "z.mp4", 0)), "z.mp4", "cut short"),
    "start past the end": (lambda d: d.edit("--start", 5), f"has {CLIP_FRAMES} frames", "start 5 is past its end"),
    "more frames than there are": (lambda d: d.edit("--frames", 9), f"{CLIP_FRAMES} frames", "ask for fewer"),
    "zero frames asked for": (lambda d: d.edit("--frames", 0), "--frames: '0'", "expected 1 or more"),
    "stride 0": (lambda d: d.edit("--stride", 0), "--stride: '0'", "expected 1 or more"),
    "negative start": (lambda d: d.edit("--start", -1), "--start: '-1'", "expected 0 or more"),
    "size of a word": (lambda d: d.edit("--size", "big"), "--size: 'big'", "whole number"),
    "folder without pictures": (lambda d: d.edit(clip=pictures(d)), "holds no pictures", "expected"),
    "pictures of two sizes": (
        lambda d: d.edit(clip=pictures(d, (16, 16), (24, 16))),
        "1.png is 24x16 but 0.png is 16x16",
        "must be of one size",
    ),
    "a damaged picture": (
        lambda d: d.edit(clip=cut(pictures(d, (64, 64)) / "0.png", 0.5).parent),
        "0.png is damaged",
        "0.png",
    ),
    "unknown extension": (lambda d: d.edit(clip=d.file("c.wmv", "x")), "named .wmv are not read", "use .mp4"),
    "a single picture": (lambda d: d.edit(clip=d.file("c.png", "x")), "is a single picture", "expected a video"),
    "an empty name of a clip": (lambda d: d.edit(clip=""), "CLIP: '' is no path", "CLIP"),
}
