"""The strokes file as settings: strokes, anchors and the camera, as they are written (docs/strokes.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from vedit.clip.sizes import FASTEST, SLOWEST, Size
from vedit.config import Settings, Varying, varying
from vedit.config.audio import MOST_FRAMES
from vedit.config.fields import raise_faults
from vedit.motion.strokes import at_clip
from vedit.motion.strokes.at_clip import told_of
from vedit.motion.strokes.drawn import Drawn
from vedit.motion.strokes.fields import (
    LONGEST_SIDE,
    Mask,
    Name,
    Pan,
    Point,
    Points,
    Radius,
    Times,
    point_of,
    points_of,
    time_of,
    word_of,
)
from vedit.motion.strokes.regions import Found, not_looked_for
from vedit.motion.strokes.sways import Sway
from vedit.timeline import Moments

VERSION = 1
"""Of the file's layout."""

MOST_STROKES = 256
MOST_ANCHORS = 1000
MOST_SWAYS = 64
MOST_POINTS = 10_000
"""Of all strokes of a file together."""

OUTSIDE = 0.25
"""Share of the picture's side by which a point may lie beyond it: things come in and go out."""


class Shape(Settings):
    """How a thing changes while it moves."""

    scale: Annotated[Varying, varying(0.05, 20)] = Field(1.0, description="How large it is, 1 as in the picture.")
    turn: Annotated[Varying, varying(-36_000, 36_000)] = Field(
        0.0, description="Degrees by which it is turned, clockwise."
    )


class Stroke(Settings):
    """A way that something goes."""

    name: Name = Field(None, description="What messages call it.")
    points: Points = Field(description="The way, as [x, y] each; 2 or more.")
    times: Times = Field(
        None, description="When each point is reached, in frames (12), seconds (2s) or beats (4b); evenly by default."
    )
    radius: Radius = Field(None, description="How far around its first point the picture moves with it.")
    mask: Mask = Field(
        None,
        description="What moves with it: a picture, white there; box:X,Y,W,H; word:WORD; or the corners of an outline.",
    )
    visible: tuple[bool, ...] | None = Field(None, description="For each point, whether it is seen from there on.")
    strength: Annotated[Varying, varying(0, 4)] = Field(
        1.0, description="How far it goes of the way: 1 all of it, 0 stays, 2 twice as far."
    )
    shape: Shape = Field(Shape(), description="How it changes on the way.")

    @field_validator("points", mode="before")
    @classmethod
    def _way(cls, value: Any) -> Any:
        points = points_of(value)
        if len(points) < 2:
            count = "one point" if points else "no points"
            raise ValueError(f"has {count}; expected 2 or more, and what is to stay is an anchor")
        return points

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults, count = [], len(self.points)
        for what, given in (("times", self.times), ("visible", self.visible)):
            if given is not None and len(given) != count:
                faults.append(f"{what} has {len(given)} entries, and there are {count} points; give one for each")
        if self.radius is not None and self.mask is not None:
            faults.append("radius and mask exclude each other; the mask says what moves")
        if self.times is not None and (fault := _back(self.times)):
            faults.append(fault)
        return raise_faults(self, faults)


class Anchor(Settings):
    """A point that stays."""

    point: Annotated[Point, BeforeValidator(point_of)] = Field(description="Where it is, [x, y].")
    radius: Radius = Field(None, description="How far around it the picture stays.")
    mask: Mask = Field(
        None, description="What stays: a picture, white there; box:X,Y,W,H; word:WORD; or the corners of an outline."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_point(cls, value: Any) -> Any:
        return {"point": value} if isinstance(value, (list, tuple)) else value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        both = self.radius is not None and self.mask is not None
        return raise_faults(self, ["radius and mask exclude each other; the mask says what stays"] if both else [])


class Camera(Settings):
    """What the whole picture does, beneath the strokes."""

    pan: Pan = Field((0.0, 0.0), description="How far the picture is moved, [x, y], to the right and down.")
    zoom: Annotated[Varying, varying(0.05, 20)] = Field(1.0, description="How much larger the picture gets.")
    turn: Annotated[Varying, varying(-36_000, 36_000)] = Field(
        0.0, description="Degrees by which the picture is turned, clockwise."
    )
    centre: Annotated[Point, BeforeValidator(point_of)] | None = Field(
        None, description="What zoom and turn are about, [x, y]; the middle by default."
    )
    per: Literal["clip", "second"] = Field(
        "clip",
        description="clip: a number is reached evenly by the end, a timeline says where the picture is; second: they "
        "are speeds.",
    )


class StrokesFile(Settings):
    """All of a strokes file."""

    version: int = Field(description=f"{VERSION}, the layout of this file")
    size: tuple[int, int] | Literal["normalised"] = Field(
        description="[width, height] of the picture that the coordinates lie on, in pixels; or normalised, 0 to 1."
    )
    frames: int | None = Field(None, ge=2, le=MOST_FRAMES, description="How many frames the strokes are drawn for.")
    rate: Fraction | None = Field(None, description="Frames per second that times in frames refer to.")
    strokes: tuple[Stroke, ...] = Field((), max_length=MOST_STROKES, description="What moves, the nearest last.")
    anchors: tuple[Anchor, ...] = Field((), max_length=MOST_ANCHORS, description="What stays.")
    sway: tuple[Sway, ...] = Field(
        (), max_length=MOST_SWAYS, description="What goes to and fro, the nearest last; strokes lie in front of it."
    )
    camera: Camera = Field(Camera(), description="What the whole picture does.")
    loop: bool = Field(False, description="Whether the last frame leads to the first.")

    @property
    def canvas(self) -> Size | None:
        """(H, W) of the picture that the coordinates lie on; None where they are shares of it."""
        return None if isinstance(self.size, str) else (self.size[1], self.size[0])

    @property
    def names(self) -> tuple[str, ...]:
        """What each stroke is called."""
        return tuple(stroke.name or f"stroke {number}" for number, stroke in enumerate(self.strokes, 1))

    @property
    def sway_names(self) -> tuple[str, ...]:
        """What each thing that sways is called."""
        return tuple(each.name or f"sway {number}" for number, each in enumerate(self.sway, 1))

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """Whose mask is found by a word, and by which: (name, word) of each."""
        found = ((name, word_of(mask)) for name, mask in self._masks)
        return tuple((name, word) for name, word in found if word is not None)

    @property
    def _masks(self) -> list[tuple[str, Mask]]:
        """Of strokes, anchors and what sways, each with its name."""
        anchors = [f"anchor {number}" for number in range(1, len(self.anchors) + 1)]
        names = (*self.names, *anchors, *self.sway_names)
        masks = [*(each.mask for each in self.strokes), *(each.mask for each in self.anchors)]
        masks += [each.mask for each in self.sway]
        return list(zip(names, masks, strict=True))

    def refuse_words(self) -> None:
        """Raise ConfigError for a mask that is found by a word, for what has no model or no picture to look at."""
        for name, word in self.words:
            with told_of(name):
                raise not_looked_for(word)

    def at(
        self, size: Size, frames: int, rate: Fraction, sound: Moments | None = None, found: Found | None = None
    ) -> Drawn:
        """The strokes in a clip.

        Args:
            size: (H, W) of its pictures
            frames: how many there are
            rate: frames per second
            sound: what is heard in these frames, and their beats; None for nothing
            found: what of the picture shows each word of ``words``, (H, W) bool; None where no model has looked

        Raises:
            ConfigError: for pictures of another aspect, for what needs a sound or beats where there are none, for
                times of different units that turn out to go back, and for a word where no model has looked
            MediaError: for a mask's picture that cannot be read
        """
        return at_clip.drawn(self, size, sound or Moments(frames, rate), found)

    @field_validator("version")
    @classmethod
    def _known(cls, value: int) -> int:
        if value != VERSION:
            raise ValueError(f"is not known to this vedit; expected {VERSION}")
        return value

    @field_validator("size", mode="before")
    @classmethod
    def _canvas(cls, value: Any) -> Any:
        if value == "normalised":
            return value
        sides = list(value) if isinstance(value, (list, tuple)) else []
        if len(sides) != 2 or not all(type(side) is int and 1 <= side <= LONGEST_SIDE for side in sides):
            raise ValueError(f"is no size; expected [width, height] in pixels, 1 to {LONGEST_SIDE:,}, or normalised")
        return tuple(sides)

    @field_validator("rate", mode="before")
    @classmethod
    def _rate(cls, value: Any) -> Fraction | None:
        if value is None:
            return None
        try:
            rate = None if isinstance(value, bool) or len(str(value)) > 40 else Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            rate = None
        if rate is None or not SLOWEST <= rate <= FASTEST:
            raise ValueError(f"is no rate; expected {float(SLOWEST)} to {FASTEST} frames per second")
        return rate

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = []
        count = sum(len(stroke.points) for stroke in self.strokes)
        if count > MOST_POINTS:
            faults.append(f"the strokes have {count:,} points; expected at most {MOST_POINTS:,} in all")
        faults += [
            f"two {what} are called '{name}'; give each its own name"
            for what, names in (("strokes", self.names), ("things that sway", self.sway_names))
            for name, times in Counter(names).items()
            if times > 1
        ]
        return raise_faults(self, [*faults, *self._outside()])

    def _outside(self) -> Iterator[str]:
        """A fault for each stroke, anchor and thing that sways that lies too far beyond the picture."""
        height, width = self.canvas or (1, 1)
        ways = [(label(number, each.name), each.points) for number, each in enumerate(self.strokes, 1)]
        points = [(f"anchor {number}", (each.point,)) for number, each in enumerate(self.anchors, 1)]
        points += [
            (label(number, each.name, "sway"), (each.point,))
            for number, each in enumerate(self.sway, 1)
            if each.point is not None
        ]
        ways += [(f"the mask of {who}", mask) for who, mask in self._masks if isinstance(mask, tuple)]
        for who, way in [*ways, *points]:
            for x, y in way:
                if abs(x / width - 0.5) > 0.5 + OUTSIDE or abs(y / height - 0.5) > 0.5 + OUTSIDE:
                    room = "0 to 1" if self.canvas is None else f"{width}x{height}"
                    yield f"{who}: [{x:g}, {y:g}] lies far outside of the picture, which is {room}; draw it nearer"
                    break


def label(number: int, name: str | None, what: str = "stroke") -> str:
    """What messages call a stroke, or ``what`` else it is, counted from 1."""
    return f"{what} {number} '{name}'" if name else f"{what} {number}"


def _back(times: Sequence[str]) -> str | None:
    """What is wrong with times of one unit that do not go on."""
    read = [time_of(time) for time in times]
    for (before, own), (after, unit), said in zip(read, read[1:], times[1:], strict=False):
        if own == unit and after <= before:
            return f"the time {said} is no later than the one before; each point comes after the other"
    return None
