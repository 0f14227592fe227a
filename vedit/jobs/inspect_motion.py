"""``vedit inspect motion``: motion strokes over the picture that they are drawn on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from vedit.atomic import whole_file
from vedit.clip import read_clip
from vedit.clip.images import PICTURES, picture_facts, read_picture
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import Size, resize
from vedit.clip.webp import is_animated
from vedit.config import InspectMotionConfig
from vedit.errors import MediaError
from vedit.graph import Stage
from vedit.jobs.base import Given, Goal, Job
from vedit.jobs.outputs import check_output, check_video, default_output
from vedit.motion.strokes import Drawn
from vedit.motion.strokes.importing import Imported, import_strokes
from vedit.motion.strokes.overlay import overlay
from vedit.motion.strokes.writing import save_strokes
from vedit.session import Session
from vedit.stages import soundtrack

if TYPE_CHECKING:
    from vedit.printing import Report

FRAMES, RATE = 16, Fraction(8)
"""Of strokes that say neither how many frames they are drawn for nor how fast these follow each other."""

SMALLEST = 400
"""Pixels of the shorter side of what is drawn; smaller pictures are enlarged, so that lines do not hide them."""

LARGEST = 2048
"""Pixels of the longer side."""

PLAIN = (0.16, 0.17, 0.2)
"""Colour of the ground where there is no picture."""


@dataclass(frozen=True)
class InspectMotionResult:
    """Strokes, as they come to a clip.

    Attributes:
        drawn: at the picture's size
        video: them over the picture, frame by frame
        picture: (3, H, W), all of it at once
        imported: the strokes as they were read, and what was assumed of another tool's file
        files: what was written
    """

    drawn: Drawn
    video: LazyClip
    picture: Tensor
    imported: Imported
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class DrawMotion(Stage[InspectMotionResult]):
    """Strokes over a picture."""

    config: InspectMotionConfig
    imported: Imported

    title: ClassVar[str] = "drawing"

    def make(self, session: Session) -> InspectMotionResult:
        config, strokes = self.config, self.imported.strokes
        rate = Fraction(str(config.fps)) if config.fps is not None else strokes.rate or RATE
        audio = soundtrack.read(config)
        heard = None if audio is None else soundtrack.frame_count(config, audio, rate)
        frames = config.frames or strokes.frames or heard or FRAMES
        track = soundtrack.prepare(config, frames, rate, audio)
        picture = _ground(config.over, strokes.canvas)
        drawn = strokes.at((picture.shape[-2], picture.shape[-1]), frames, rate, track.moments)

        def make(indices: Sequence[int]) -> Iterator[Tensor]:
            return (overlay(drawn, picture, index) for index in indices)

        video = LazyClip(make, frames, drawn.size, rate, track.audio, track.origin)
        return InspectMotionResult(drawn, video, overlay(drawn, picture), self.imported)


class InspectMotion(Job[InspectMotionConfig, InspectMotionResult]):
    """Without ``output``, "<strokes>-motion.png" in the current folder."""

    def checked(self, config: InspectMotionConfig) -> InspectMotionConfig:
        output = config.output or default_output(config.strokes, "-motion.png")
        config = config.model_copy(update={"output": output})
        if _still(output):
            check_output(output, config.files_read(), config.overwrite)
        else:
            check_video(config)
        if config.save_data is not None:
            if config.save_data.suffix.lower() not in (".yaml", ".yml"):
                raise MediaError(f"{config.save_data}: strokes are written as .yaml.")
            check_output(config.save_data, config.files_read(), config.overwrite)
        soundtrack.check(config)
        return config

    def goal(self, config: InspectMotionConfig, session: Session, given: Given) -> Goal[InspectMotionResult]:
        canvas = None
        if config.canvas is not None:
            width, height = (int(side) for side in config.canvas.split("x"))
            canvas = (height, width)
        return Goal(DrawMotion(config, import_strokes(config.strokes, config.tool, canvas)), config)

    def finish(
        self, config: InspectMotionConfig, result: InspectMotionResult, seconds: dict[str, float]
    ) -> InspectMotionResult:
        assert config.output is not None
        if _still(config.output):
            from PIL import Image

            pixels = (result.picture.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
            with whole_file(config.output, config.overwrite) as beside:
                Image.fromarray(pixels).save(beside)
        else:
            result.video.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
        files = [config.output]
        if config.save_data is not None:
            save_strokes(
                result.imported.strokes, config.save_data, note=result.imported.assumed, overwrite=config.overwrite
            )
            files.append(config.save_data)
        return replace(result, files=tuple(files))

    def show(self, result: InspectMotionResult, report: Report) -> None:
        drawn, assumed = result.drawn, result.imported.assumed
        if assumed:
            report.say(assumed)
        report.say(sentence(drawn, result.video.rate))
        report.add_data(
            strokes=list(drawn.names), anchors=len(drawn.anchors), sways=[each.name for each in drawn.sways],
            frames=drawn.frames,
            rate=str(result.video.rate), assumed=assumed,
        )  # fmt: skip
        for path in result.files:
            report.file(path)


def sentence(drawn: Drawn, rate: Fraction) -> str:
    """What there is, in one line."""

    def count(number: int, what: str) -> str:
        return f"{number} {what}{'' if number == 1 else 's'}"

    parts = [count(len(drawn.names), "stroke"), count(len(drawn.anchors), "anchor")]
    parts += [f"{len(drawn.sways)} swaying"] if drawn.sways else []
    parts.append(f"{drawn.frames} frames at {float(rate):g} fps")
    parts += [] if drawn.still_camera else ["the camera moves"]
    parts += ["in a loop"] if drawn.loop else []
    return ", ".join(parts)


def _still(output: Path) -> bool:
    return output.suffix.lower() == ".png"


def _ground(over: Path | None, canvas: Size | None) -> Tensor:
    """The picture (3, H, W) to draw over, large enough to see lines on. Raises MediaError."""
    if over is None:
        size = canvas or (512, 512)
        picture = torch.tensor(PLAIN).view(3, 1, 1).expand(3, 8, 8)
    else:
        if not over.exists():
            raise MediaError(f"the picture {over} does not exist; expected a picture, or a clip.")
        picture = _first_picture(over)
        size = (picture.shape[-2], picture.shape[-1])
    factor = max(1.0, SMALLEST / min(size))
    factor = min(factor, LARGEST / max(size))
    target = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
    even = (target[0] + target[0] % 2, target[1] + target[1] % 2)  # which codecs ask for
    return resize(picture[None], even)[0]


def _first_picture(path: Path) -> Tensor:
    if path.suffix.lower() in PICTURES and not path.is_dir() and not is_animated(path):
        picture_facts(path)
        return read_picture(path)
    return read_clip(path, frames=1, sound=False).frames[0]
