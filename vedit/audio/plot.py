"""A plot of a sound: the waveform, a curve below it, and the beats and onsets across both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vedit.atomic import whole_file
from vedit.audio.model import AudioFeatures
from vedit.clip.audio import Audio
from vedit.errors import ConfigError

SIZE = (1600, 520)
"""Width and height in pixels."""

LEAST_SIZE = (320, 200)

_PAPER, _PANEL, _INK, _DIM = (22, 24, 29), (31, 34, 41), (226, 229, 235), (132, 138, 150)
_WAVE, _WAVE_CORE, _CURVE, _FILL = (74, 104, 150), (122, 158, 210), (246, 178, 92), (104, 76, 48)
_BEAT, _ONSET, _GRID = (222, 92, 106), (112, 196, 158), (48, 52, 62)

_SIDE, _TITLE, _FOOT, _GAP, _TICK = 24, 44, 34, 14, 8
"""Pixels: margins left and right, the title's height, the time axis's, between the panels, and of an onset's tick."""

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
"""Seconds between two numbers of the time axis, of which the first that leaves room is taken."""


def draw(
    audio: Audio,
    sound: AudioFeatures,
    curve: NDArray[np.floating[Any]],
    path: str | Path,
    *,
    name: str = "curve",
    start: float = 0.0,
    size: tuple[int, int] = SIZE,
    overwrite: bool = False,
) -> None:
    """Write a PNG of the frames' time: the waveform above, `curve` (F,) in [0, 1] below, as a step for each frame.

    Beats are lines across both, onsets ticks between them, and seconds are counted from frame 0. `start` is the second
    of the sound at which frame 0 begins, as for `listen`; `name` is the curve's in the legend. `size` is (width,
    height) in pixels. Raises ConfigError for a curve of another length or too small a size, MediaError as Clip.save
    does.
    """
    if curve.shape != (len(sound),) or not np.isfinite(curve).all():
        raise ConfigError(
            f"the curve to be drawn has the shape {curve.shape}; expected {len(sound)} numbers, one a frame"
        )
    if size[0] < LEAST_SIZE[0] or size[1] < LEAST_SIZE[1]:
        raise ConfigError(
            f"a picture of {size[0]}x{size[1]} is too small; expected {LEAST_SIZE[0]}x{LEAST_SIZE[1]} or more"
        )
    picture = _Picture(size, float(len(sound) / sound.rate))
    picture.panels()
    picture.seconds()
    picture.beats(sound.own_beats)
    picture.wave(audio, start)
    picture.curve(curve.clip(0.0, 1.0))
    picture.onsets(sound.onsets)
    picture.title(sound, name)
    with whole_file(path, overwrite) as beside:
        picture.image.save(beside, format="PNG")


def legend(name: str) -> tuple[tuple[str, tuple[int, int, int]], ...]:
    """What is drawn, each with its colour; ``name`` is the curve's. Lines and ticks are many, and a feature is one."""
    return ("waveform", _WAVE_CORE), (name, _CURVE), ("beats", _BEAT), ("onsets", _ONSET)


class _Picture:
    """The canvas: `left` to `right` are the times 0 to `duration`; two panels, each from a top to a bottom."""

    def __init__(self, size: tuple[int, int], duration: float) -> None:
        self.image = Image.new("RGB", size, _PAPER)
        self.pen = ImageDraw.Draw(self.image)
        self.font, self.large = ImageFont.load_default(size=13), ImageFont.load_default(size=18)
        self.duration = duration
        self.left, self.right = _SIDE, size[0] - _SIDE
        foot = size[1] - _FOOT
        middle = _TITLE + (foot - _TITLE) * 9 // 20
        self.upper, self.lower = (_TITLE, middle - _GAP // 2), (middle + _GAP - _GAP // 2, foot)

    def across(self, seconds: float) -> int:
        return round(self.left + seconds / self.duration * (self.right - self.left))

    def panels(self) -> None:
        for top, bottom in (self.upper, self.lower):
            self.pen.rectangle((self.left, top, self.right, bottom), fill=_PANEL)

    def seconds(self) -> None:
        """Faint lines and numbers."""
        room = 64 * self.duration / (self.right - self.left)
        step = next((each for each in _STEPS if each >= room), _STEPS[-1])
        for number in range(int(self.duration / step + 1e-9) + 1):
            at = self.across(number * step)
            for top, bottom in (self.upper, self.lower):
                self.pen.line((at, top, at, bottom), fill=_GRID)
            label = f"{number * step:g} s" if number else "0"
            self.pen.text((at, self.lower[1] + 8), label, fill=_DIM, font=self.font, anchor="mt")

    def beats(self, beats: NDArray[np.float64]) -> None:
        for second in beats:
            at = self.across(float(second))
            self.pen.line((at, self.upper[0], at, self.lower[1]), fill=_BEAT)

    def onsets(self, onsets: NDArray[np.float64]) -> None:
        for second in onsets[(onsets >= 0) & (onsets < self.duration)]:
            at = self.across(float(second))
            self.pen.line((at, self.upper[1] - _TICK // 2, at, self.lower[0] + _TICK // 2), fill=_ONSET, width=2)

    def wave(self, audio: Audio, start: float) -> None:
        """Of each column the range of the samples, and brighter their root mean square."""
        samples = audio.samples.detach().cpu().float().mean(0).numpy()
        columns = np.arange(self.left, self.right + 1)
        edges = start + (columns - self.left) / (self.right - self.left) * self.duration
        positions = np.clip(np.round(edges * audio.rate), 0, len(samples)).astype(np.int64)
        peak = float(np.abs(samples).max(initial=0.0)) or 1.0
        top, bottom = self.upper
        middle, half = (top + bottom) / 2, (bottom - top) / 2 - 6
        self.pen.line((self.left, middle, self.right, middle), fill=_DIM)
        for at, first, last in zip(
            columns[:-1].tolist(), positions[:-1], np.maximum(positions[1:], positions[:-1] + 1), strict=True
        ):
            piece = samples[first : last + 1] / peak  # with the next column's first, so that slow waves have no gaps
            if not len(piece) or edges[at - self.left] < -1.0 / audio.rate:
                continue
            high, low, mean = float(piece.max()), float(piece.min()), float(np.sqrt(np.square(piece).mean()))
            self.pen.line((at, middle - high * half, at, middle - low * half), fill=_WAVE)
            self.pen.line((at, middle - min(mean, high) * half, at, middle + min(mean, -low) * half), fill=_WAVE_CORE)

    def curve(self, curve: NDArray[np.floating[Any]]) -> None:
        top, bottom = self.lower
        height = bottom - top - 8
        edges = [self.across(index / len(curve) * self.duration) for index in range(len(curve) + 1)]
        levels = [round(bottom - float(value) * height) for value in curve]
        corners = [(x, y) for index, y in enumerate(levels) for x in edges[index : index + 2]]
        beats = self.image.crop((self.left, top, self.right + 1, bottom + 1))
        self.pen.polygon([(self.left, bottom), *corners, (self.right, bottom)], fill=_FILL)
        # The beats shine through the filled area.
        shown = self.image.crop((self.left, top, self.right + 1, bottom + 1))
        self.image.paste(Image.blend(beats, shown, 0.72), (self.left, top))
        self.pen.line(corners, fill=_CURVE, width=2)

    def title(self, sound: AudioFeatures, name: str) -> None:
        middle = _TITLE // 2
        tempo = f"{sound.tempo:.1f} BPM" if sound.tempo > 0 else "no beats"
        self.pen.text((self.left, middle), tempo, fill=_INK, font=self.large, anchor="lm")
        at = self.left + self.pen.textlength(tempo, font=self.large) + 18
        facts = f"{len(sound)} frames at {float(sound.rate):g} per second"
        note = f"{facts}   |   {sound.note}" if sound.note else facts
        shown = legend(name)
        widths = [self.pen.textlength(text, font=self.font) + 34 for text, _ in shown]
        room = self.right - sum(widths) - at
        fits = next((text for text in (note, facts, "") if self.pen.textlength(text, font=self.font) <= room), "")
        self.pen.text((at, middle + 1), fits, fill=_DIM, font=self.font, anchor="lm")
        at = self.right - sum(widths) + 12
        if at < self.left + 110:
            return  # too narrow for a legend
        for (text, colour), width in zip(shown, widths, strict=True):
            self.pen.rectangle((at, middle - 5, at + 10, middle + 5), fill=colour)
            self.pen.text((at + 16, middle + 1), text, fill=_INK, font=self.font, anchor="lm")
            at += width
