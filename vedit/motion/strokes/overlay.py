"""Strokes drawn over a picture, to be looked at: one picture of it all, or one for each frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vedit.motion.strokes.drawn import Drawn

Array = NDArray[np.float64]
Colour = tuple[int, int, int]

COLOURS: tuple[Colour, ...] = (
    (255, 92, 87), (64, 190, 255), (255, 201, 60), (120, 224, 110), (214, 122, 255), (255, 146, 60), (60, 224, 204),
    (255, 128, 190),
)  # fmt: skip
"""Of the strokes in turn."""

WHITE, DARK = (255, 255, 255), (16, 18, 22)

FADED = 0.72
"""How bright the picture is below what is drawn."""

GREYED = 0.35
"""Share of its colour that it loses."""

FINE = 2
"""Pixels drawn for each one shown, so that lines are smooth."""

LINE_AT = 512
"""Length of the shorter side at which a line is as thick as ``_Sheet`` draws it."""

STEP = 7
"""Arrows of the camera along the longer side."""


def overlay(drawn: Drawn, picture: Tensor, frame: int | None = None) -> Tensor:
    """Strokes over the picture (3, H, W) that they are drawn on.

    Args:
        drawn: in a clip of the picture's size
        picture: (3, H, W) in [0, 1]
        frame: that of the clip, the picture moved by the camera, each stroke as far as it has come; None shows all ways
            at once, and arrows for the camera

    Returns:
        (3, H, W) in [0, 1]
    """
    sheet = _Sheet(_ground(drawn, picture, frame), drawn, frame)
    sheet.camera()
    sheet.anchors()
    sheet.sways()
    sheet.strokes()
    return sheet.finished()


def _ground(drawn: Drawn, picture: Tensor, frame: int | None) -> Image.Image:
    """The picture, faded, where the camera has it in a frame."""
    pixels = (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    if frame is not None and not drawn.still_camera:
        pixels = cv2.warpAffine(pixels, drawn.camera[frame].double().numpy(), drawn.size[::-1])  # type: ignore[assignment]
    grey = pixels.mean(2, keepdims=True)
    faded = FADED * ((1 - GREYED) * pixels + GREYED * grey)
    image = Image.fromarray(faded.round().astype(np.uint8))
    return image.resize((image.width * FINE, image.height * FINE), Image.Resampling.BICUBIC).convert("RGBA")


@dataclass
class _Sheet:
    """A picture that strokes are drawn on, ``FINE`` times as large."""

    image: Image.Image
    drawn: Drawn
    frame: int | None
    labels: list[tuple[float, float, float, float]] = field(default_factory=list)
    """Where there are words already: left, top, right, bottom."""

    @property
    def line(self) -> float:
        """The width of a line."""
        return max(1.0, min(self.drawn.size) / LINE_AT) * FINE

    @cached_property
    def font(self) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        return ImageFont.load_default(size=max(11 * FINE, round(15 * self.line)))

    def placed(self, points: Tensor, frame: int = 0) -> Array:
        """Points (N, 2) upon the picture, as they are on the sheet in the frame that is shown."""
        if self.frame is not None:
            matrix = self.drawn.camera[frame]
            points = points @ matrix[:, :2].T + matrix[:, 2]
        return (points.double().numpy() + 0.5) * FINE

    def anchors(self) -> None:
        """A pin for each anchor, within the circle or the region that stays."""
        now = self.frame or 0
        for place, reach, mask in zip(
            self.placed(self.drawn.anchors, now), self.drawn.anchor_reach, self.drawn.anchor_masks, strict=True
        ):
            if mask is None:
                self._circle(place, float(reach) * FINE, WHITE, dashed=True)
            else:
                self._region(mask, WHITE, self.drawn.camera[now].double().numpy())
            half, line = 6 * self.line, self.line
            for width, colour in ((5 * line, DARK), (2.2 * line, WHITE)):
                for across in np.array([[half, half], [half, -half]]):
                    self._lines([place - across, place + across], colour, width)

    def sways(self) -> None:
        """All that sways: what does, how far to either side, where it is now, where it is held, and its name."""
        drawn, now = self.drawn, self.frame or 0
        camera = drawn.camera[now].double().numpy()
        for index, each in enumerate(drawn.sways, len(drawn.names)):
            colour, line = COLOURS[index % len(COLOURS)], self.line
            gone = each.displaced(each.point)[now]
            if each.mask is None:
                self._circle(self.placed((each.point + gone)[None], now)[0], each.reach * FINE, colour)
            else:
                moved = camera if self.frame is not None else np.eye(2, 3)
                shift = np.column_stack([np.zeros((2, 2)), moved[:, :2] @ gone.double().numpy()])
                self._region(each.mask, colour, moved + shift)
            far = float(each.amplitude.sum(0).max()) * each.along
            ends = self.placed(torch.stack([each.point - far, each.point + far, each.point]), now)
            middle = ends[2]
            for end in ends[:2]:
                self._arrow(middle, end)
            place = self.placed((each.point + gone)[None], now)[0]
            if each.root is not None:
                root = self.placed(each.root[None], now)[0]
                self._lines([root, place], colour, 1.2 * line)
                self._dot(root, 4 * line, DARK)
                self._dot(root, 2.6 * line, colour)
            for radius, shade in ((6.5, DARK), (5.0, colour), (2.2, WHITE)):
                self._dot(place, radius * line, shade)
            self._name(place, each.name, colour, ends[:2])

    def strokes(self) -> None:
        """Each stroke: what moves with it, its way, and its name."""
        for index, name in enumerate(self.drawn.names):
            self._stroke(index, name, COLOURS[index % len(COLOURS)])

    def _stroke(self, index: int, name: str, colour: Colour) -> None:
        drawn, now = self.drawn, self.frame or 0
        way = self.placed(drawn.pulled[index], now)
        mask, line = drawn.masks[index], self.line
        if mask is None:
            self._circle(way[now], float(drawn.reach[index] * drawn.scale[index, now]) * FINE, colour)
        else:
            self._region(mask, colour, self._moved(index, now))
        last = drawn.frames - 1
        self._lines(way, DARK, 6 * line)
        self._way(way, index, colour)
        if self.frame is None or self.frame < last:
            self._head(way, colour)
        for frame, place in enumerate(way):
            step = np.hypot(*(place - way[frame - 1])) if frame else 0.0
            if step > 7 * line and float(drawn.strength[index, frame]) > 0:
                self._dot(place, 1.6 * line, WHITE)
        self._dot(way[0] if self.frame is None else way[now], 6.5 * line, DARK)
        self._dot(way[0] if self.frame is None else way[now], 5 * line, colour)
        self._dot(way[0] if self.frame is None else way[now], 2.2 * line, WHITE)
        self._name(way[0] if self.frame is None else way[now], name, colour, way)

    def _moved(self, index: int, now: int) -> Array:
        """(2, 3): from a stroke's region in the picture to where it is in the frame that is shown."""
        drawn = self.drawn
        if self.frame is None:
            return np.eye(2, 3)
        start, end = (drawn.pulled[index, frame].double().numpy() for frame in (0, now))
        scale, turn = float(drawn.scale[index, now]), float(drawn.turn[index, now])
        matrix = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        camera = drawn.camera[now].double().numpy()
        own = np.column_stack([matrix, end - matrix @ start])
        moved: Array = camera[:, :2] @ own + np.column_stack([np.zeros((2, 2)), camera[:, 2]])
        return moved

    def _way(self, way: Array, index: int, colour: Colour) -> None:
        """The line itself: brighter with time, thin where it pulls little, and pale where it is yet to go."""
        steps = len(way) - 1
        for step in range(steps):
            pull = min(1.0, float(self.drawn.strength[index, step + 1]))
            bright = 0.5 + 0.5 * (step + 1) / steps
            ahead = self.frame is not None and step >= self.frame
            shown = tuple(round(each * bright * (0.55 if ahead else 1.0)) for each in colour)
            self._lines(way[step : step + 2], (shown[0], shown[1], shown[2]), (1.2 + 2.4 * pull) * self.line)

    def _head(self, way: Array, colour: Colour) -> None:
        """The arrow's head at the end of a way, along its last few steps."""
        end, size = way[-1], 13 * self.line
        far = [place for place in way[::-1] if np.hypot(*(end - place)) > 0.4 * size]
        if not far:
            return
        along = (end - far[0]) / np.hypot(*(end - far[0]))
        across = np.array([-along[1], along[0]])
        for grown, shade in ((1.5, DARK), (1.0, colour)):
            tip, back = end + along * size * (0.45 * grown + 0.2), end - along * size * (0.7 * grown - 0.1)
            corners = [tip, back + across * size * 0.55 * grown, back - across * size * 0.55 * grown]
            ImageDraw.Draw(self.image).polygon([_pair(each) for each in corners], fill=shade)

    def camera(self) -> None:
        """Where the camera takes the picture by the end: arrows over all of it; in a frame, the picture is there."""
        if self.frame is not None or self.drawn.still_camera:
            return
        height, width = self.drawn.size
        step = max(height, width) / STEP
        down, across = (np.linspace(0, side - 1, max(2, round(side / step)) * 2 + 1)[1::2] for side in (height, width))
        grid = torch.tensor([[x, y] for y in down for x in across], dtype=torch.float32)
        furthest = self._furthest()
        moved = grid @ furthest[:, :2].T + furthest[:, 2]
        for start, end in zip(self.placed(grid), self.placed(moved), strict=True):
            self._dot(start, 2.5 * self.line, DARK)
            self._arrow(start, end)

    def _furthest(self) -> Tensor:
        """(2, 3): the camera where it has gone furthest, which in a loop is not the end."""
        height, width = self.drawn.size
        corners = torch.tensor([[0.0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
        gone = torch.einsum("fij,nj->fni", self.drawn.camera, corners) - corners[:, :2]
        return self.drawn.camera[int(gone.norm(dim=-1).amax(1).argmax()) if self.drawn.loop else -1]

    def _arrow(self, start: Array, end: Array) -> None:
        length = float(np.hypot(*(end - start)))
        if length < FINE:
            return
        along = (end - start) / length
        across, size = np.array([-along[1], along[0]]), min(9 * self.line, 0.6 * length)
        neck = end - along * size
        for width, colour in ((4 * self.line, DARK), (1.8 * self.line, (235, 238, 245))):
            extra = (width - 1.8 * self.line) / 2
            self._lines([start, neck], colour, width)
            corners = [end + along * extra, neck + across * (size / 2 + extra), neck - across * (size / 2 + extra)]
            ImageDraw.Draw(self.image).polygon([_pair(each) for each in corners], fill=colour)

    def _region(self, mask: Tensor, colour: Colour, matrix: Array) -> None:
        """A tint over a region that ``matrix`` has moved, and a line around it."""
        # pixels of the picture to those of the sheet, whose middles lie elsewhere
        shift = np.array([[FINE, 0, (FINE - 1) / 2], [0, FINE, (FINE - 1) / 2]])
        whole = shift[:, :2] @ matrix + np.column_stack([np.zeros((2, 2)), shift[:, 2]])
        found = cv2.warpAffine(mask.numpy().astype(np.uint8) * 255, whole, self.image.size, flags=cv2.INTER_LINEAR)
        self._tint(Image.fromarray(np.where(np.asarray(found) > 127, 70, 0).astype(np.uint8)), colour)
        edges, _ = cv2.findContours(
            (np.asarray(found) > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        for edge in edges:
            around = edge[:, 0].astype(np.float64)
            self._lines([*around, around[0]], colour, 1.6 * self.line)

    def _circle(self, middle: Array, radius: float, colour: Colour, *, dashed: bool = False) -> None:
        """What lies within a reach: a tint and a line, broken where it ``stays``."""
        level = Image.new("L", self.image.size)
        ImageDraw.Draw(level).ellipse(_box(middle, radius), fill=0 if dashed else 46)
        self._tint(level, colour)
        pieces = max(16, round(radius / (3 * self.line)))
        angles = np.linspace(0, 2 * np.pi, 2 * pieces + 1)
        points = middle + radius * np.stack([np.cos(angles), np.sin(angles)], -1)
        for piece in range(0, 2 * pieces, 2 if dashed else 1):
            self._lines(points[piece : piece + 2], colour, 1.6 * self.line)

    def _tint(self, level: Image.Image, colour: Colour) -> None:
        self.image.paste(Image.new("RGBA", self.image.size, (*colour, 255)), mask=level)

    def _lines(self, points: Sequence[Array] | Array, colour: Colour, width: float) -> None:
        ImageDraw.Draw(self.image).line(
            [_pair(each) for each in points], fill=colour, width=round(width), joint="curve"
        )
        if len(points) > 1:  # round ends, so that pieces meet without gaps
            for end in (points[0], points[-1]):
                self._dot(end, width / 2, colour)

    def _dot(self, place: Array, radius: float, colour: Colour) -> None:
        ImageDraw.Draw(self.image).ellipse(_box(place, radius), fill=colour)

    def _name(self, place: Array, name: str, colour: Colour, way: Array) -> None:
        """A stroke's name on a plate beside its point: within the picture, and over little of its way and of others'
        names."""
        paint, gap = ImageDraw.Draw(self.image), 9 * self.line
        text = name if len(name) <= 24 else f"{name[:23]}…"
        left, top, right, bottom = paint.textbbox((0, 0), text, font=self.font)
        wide, high, room = right - left + gap, bottom - top + gap, 8 * self.line
        plates = []
        for across, down in ((room, -high - room), (room, room), (-wide - room, -high - room), (-wide - room, room)):
            x = min(max(place[0] + across, 0), self.image.width - wide)
            y = min(max(place[1] + down, 0), self.image.height - high)
            plates.append((x, y, x + wide, y + high))
        taken = [*self.labels, *(_box(each, 0.0) for each in way)]
        plate = min(plates, key=lambda own: sum(_meet(own, other) for other in taken))
        self.labels.append(plate)
        paint.rounded_rectangle(plate, radius=4 * self.line, fill=DARK, outline=colour, width=round(1.4 * self.line))
        paint.text((plate[0] + gap / 2 - left, plate[1] + gap / 2 - top), text, font=self.font, fill=WHITE)

    def finished(self) -> Tensor:
        """(3, H, W) in [0, 1]."""
        height, width = self.drawn.size
        small = self.image.convert("RGB").resize((width, height), Image.Resampling.BOX)
        return torch.from_numpy(np.asarray(small).astype(np.float32) / 255).permute(2, 0, 1).contiguous()


def _pair(point: Array) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def _box(middle: Array, radius: float) -> tuple[float, float, float, float]:
    x, y = _pair(middle)
    return x - radius, y - radius, x + radius, y + radius


def _meet(one: Iterable[float], other: Iterable[float]) -> bool:
    left, top, right, bottom = one
    other_left, other_top, other_right, other_bottom = other
    return left < other_right and other_left < right and top < other_bottom and other_top < bottom
