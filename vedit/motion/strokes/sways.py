"""What sways, as a strokes file writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from vedit.config import Settings, Varying
from vedit.config.fields import Range, raise_faults
from vedit.motion.strokes.fields import LONGEST_SIDE, Mask, Name, Point, Radius, point_of

MOST_WAVES = 16
"""Frequencies of one thing: with 16, a plant in the wind is told from its recording by few (Li et al. 2024)."""

FASTEST_SWAY = 500.0
"""Times in a second, or a beat: half of the most frames that a second may have."""

FREQUENCY, AMPLITUDE = Range(0, FASTEST_SWAY), Range(0, LONGEST_SIDE)


def _each(between: Range) -> Callable[[Any], tuple[Varying, ...]]:
    """Reads a number or timeline, or a list of them."""

    def read(value: Any) -> tuple[Varying, ...]:
        every = value if isinstance(value, (list, tuple)) else [value]
        if not 1 <= len(every) <= MOST_WAVES:
            raise ValueError(f"has {len(every)} entries; expected 1 to {MOST_WAVES}")
        if None in every:
            raise ValueError("is neither a number nor a timeline")
        return tuple(found for each in every if (found := between(each)) is not None)

    return read


class Sway(Settings):
    """Something that goes to and fro."""

    name: Name = Field(None, description="What messages call it.")
    mask: Mask = Field(
        None, description="What sways: a picture, white there; box:X,Y,W,H; word:WORD; or the corners of an outline."
    )
    point: Annotated[Point, BeforeValidator(point_of)] | None = Field(
        None, description="In place of a mask: a point of what sways, [x, y]."
    )
    radius: Radius = Field(None, description="How far around the point the picture sways with it.")
    root: Annotated[Point, BeforeValidator(point_of)] | None = Field(
        None, description="Where it is held, [x, y]: it sways the more, the further from there."
    )
    frequency: Annotated[tuple[Varying, ...], BeforeValidator(_each(FREQUENCY))] = Field(
        description="How often it goes to and fro, per second; several for several waves at once."
    )
    amplitude: Annotated[tuple[Varying, ...], BeforeValidator(_each(AMPLITUDE))] = Field(
        description="How far it goes to either side; one for each frequency."
    )
    per: Literal["second", "beat"] = Field("second", description="What frequencies are counted by: second or beat.")
    direction: float = Field(0.0, ge=-360, le=360, description="Degrees: 0 sways across, 90 up and down.")
    wave: Annotated[float, Field(gt=0, le=1e6)] | Literal["none"] | None = Field(
        None,
        description="Length of the wave that runs over it; none lets it sway as one. Twice the longer side by default.",
    )
    wave_direction: float = Field(0.0, ge=-360, le=360, description="Degrees: 0 runs to the right, 90 down.")
    phase: float = Field(0.0, ge=-360, le=360, description="Degrees of its to and fro that it begins at.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = []
        if (self.mask is None) == (self.point is None):
            faults.append("what sways is a mask, or a point with what lies around it; give one of the two")
        if self.radius is not None and self.point is None:
            faults.append("a radius lies around a point; give the point")
        if len(self.amplitude) != len(self.frequency):
            faults.append(
                f"amplitude has {len(self.amplitude)} entries, and frequency {len(self.frequency)}; give one for each"
            )
        return raise_faults(self, faults)
