"""Types of single settings: prompts, control weights, masks, and the names of parts. Those of files: ``paths``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic.fields import FieldInfo

from vedit import registry, timeline
from vedit.config.paths import IsPath, local_path
from vedit.synonyms import nearest

LONGEST_PROMPT = 20_000
"""Characters. Long prompts are legitimate, in chunks of the tokenizer's length, but not whole books."""

MOST_WORDS = 2_000
"""Words of a prompt, about 35 chunks of Stable Diffusion's tokenizer."""

MIN_FPS = 0.1
"""Frames per second."""

MAX_CONTROL_WEIGHT = 2.0
"""Most that a control may weigh; 1 is what its net was trained with."""

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")
TIME = re.compile(r"(\d+\.?\d*|\.\d+)[fsb]?")
"""In frames, seconds or beats."""

_PATH_LIKE = re.compile(r"(~?/|\.\.?/|[A-Za-z]:\\).*|\S+\.(mp4|m4v|mov|mkv|webm|avi|gif|png|jpe?g|ya?ml|safetensors)")


def bounds(field: FieldInfo) -> str:
    """The range of a field's numbers, such as "1..1000" or "1 or more"; empty where it has none."""
    limits = {
        name: getattr(each, name) for each in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(each, name)
    }
    if "gt" in limits:
        return f"above {limits['gt']}, at most {limits['le']}"
    if "ge" not in limits:
        return ""
    if "lt" in limits:
        return f"at least {limits['ge']} and below {limits['lt']}"
    if limits.get("le") == 2**63 - 1:
        return f"{limits['ge']}..2^63-1"
    return f"{limits['ge']}..{limits['le']}" if "le" in limits else f"{limits['ge']} or more"


def inherited(group: type[BaseModel], name: str, default: Any) -> Any:
    """A group's field, for a job in which its default is another one."""
    return FieldInfo.merge_field_infos(group.model_fields[name], default=default)


def _words(text: str) -> str:
    """A prompt as it may be given. Raises ValueError, which pydantic reports, for a path and for a whole book."""
    if _PATH_LIKE.fullmatch(text.strip()):
        raise ValueError("looks like a path; expected words that say what is to be seen")
    if len(text.split()) > MOST_WORDS:
        raise ValueError(f"has {len(text.split()):,} words; expected at most {MOST_WORDS:,}")
    return text


def _wanted(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; expected words that say what is to be seen")
    return text


def split_window(text: str) -> tuple[str, dict[str, str]]:
    """A text without its "@START-STOP", a share of the steps, and the settings ``start`` and ``stop`` that this says,
    if any. Raises ValueError for a window that cannot be read."""
    rest, at, window = text.rpartition("@")
    if at and (span := re.fullmatch(r"([\d.]+)-([\d.]+)", window)):
        return rest, {"start": span[1], "stop": span[2]}
    if at and "/" not in window and "." not in window:
        raise ValueError(f"has the window '{window}'; expected START-STOP in shares of the steps, such as 0-0.6")
    return text, {}


def window_of(text: str) -> tuple[float, float]:
    """The shares of the steps that "START-STOP" names. Raises ValueError."""
    parts = [each.strip() for each in text.split("-")]
    if len(parts) == 2 and all(NUMBER.fullmatch(each) for each in parts):
        start, stop = map(float, parts)
        if 0 <= start < stop <= 1:
            return start, stop
    raise ValueError("is no window; expected START-STOP in shares of the steps, such as 0-0.6, START below STOP")


def _window(value: Any) -> str:
    text = str(value)
    window_of(text)
    return text.replace(" ", "")


WindowText = Annotated[str, BeforeValidator(_window)]
"""A share of the steps, "0-0.6"; ``window_of`` has its ends."""


def as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, (str, dict, BaseModel)) else value


def control_weight(value: Any) -> float | str | tuple[float, ...]:
    """Reads a control's strength: a number, a list with one for each frame, or a timeline."""
    try:
        numbers = [float(each) for each in (value if isinstance(value, (list, tuple)) else [value])]
    except (TypeError, ValueError):
        if isinstance(value, str):
            return timeline.read(value).text
        numbers = []
    if not numbers or not all(0 <= each <= MAX_CONTROL_WEIGHT for each in numbers):
        raise ValueError(
            f"is no strength; expected 0 to {MAX_CONTROL_WEIGHT:g}, a list of such numbers, or a timeline of them"
        )
    return tuple(numbers) if isinstance(value, (list, tuple)) else numbers[0]


Varying = float | str
"""A number, or a timeline of numbers."""


@dataclass(frozen=True)
class Range:
    """Reads a number or a timeline; a number must lie within ``low`` and ``high``, as must what a timeline comes to."""

    low: float
    high: float

    def __call__(self, value: Any) -> float | str | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError("is neither a number nor a timeline")
        line = timeline.read(value)
        if line.constant is None:
            return line.text
        if not self.low <= line.constant <= self.high:
            raise ValueError(f"is out of range; expected {self.low:g}..{self.high:g}, or a timeline of such numbers")
        return line.constant


def varying(low: float, high: float) -> BeforeValidator:
    """A number between these that may vary in time; ``Settings.per_frame`` says what it is in each frame."""
    return BeforeValidator(Range(low, high))


def _kind_of(family: str) -> AfterValidator:
    def known(kind: str) -> str:
        kinds = registry.names(family)
        if kind not in kinds:
            raise ValueError(f"is unknown; {nearest(kind, kinds)}")
        return kind

    return AfterValidator(known)


def _one_of(kinds: Iterable[str]) -> AfterValidator:
    def known(kind: str) -> str:
        if kind not in kinds:
            raise ValueError(f"is unknown; {nearest(kind, kinds)}")
        return kind

    return AfterValidator(known)


StrokesTool = Literal[
    "auto", "vedit", "motionctrl", "tora", "draganything", "wan-move", "ati", "motionpro", "time-to-move"
]
"""Whose file of motion strokes it is."""

CompareLayout = Literal["side", "wipe", "stack"]
"""How a source and its edit are shown together."""

PromptText = Annotated[str, Field(max_length=LONGEST_PROMPT), AfterValidator(_words)]
RequiredPrompt = Annotated[PromptText, AfterValidator(_wanted)]

Feature = Annotated[str, _one_of(timeline.FEATURES)]
Annotator = Annotated[str, _kind_of("annotators")]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1 or mps.")]
"""Where networks run."""

Attention = Annotated[str, _kind_of("attention")]
Conditioner = Annotated[str, _kind_of("conditioners")]
Prior = Annotated[str, _kind_of("priors")]


def mask_kind(mask: str) -> str:
    """What a mask is given as: "auto", "none", "box", "word", or else "path"."""
    kind, colon, _ = mask.partition(":")
    if colon and kind in ("box", "word"):
        return kind
    return mask if mask in ("auto", "none") else "path"


def box_of(text: str) -> tuple[float, float, float, float]:
    """The X, Y, W, H of "box:X,Y,W,H": the upper left corner and the size. Pixels of the clip's own pictures; where all
    four are at most 1, shares of their width and height. Raises ValueError."""
    parts = text.removeprefix("box:").split(",")
    if len(parts) != 4 or not all(NUMBER.fullmatch(part.strip()) for part in parts):
        raise ValueError("is no box; expected box:X,Y,W,H, in pixels, or in shares where all four are at most 1")
    x, y, width, height = (float(part) for part in parts)
    if x < 0 or y < 0:
        raise ValueError("begins outside of the picture; expected X and Y of 0 or more")
    if width <= 0 or height <= 0:
        raise ValueError("has no area; expected W and H above 0")
    return x, y, width, height


def mask_text(value: Any) -> Any:
    text = str(value) if isinstance(value, Path) else value
    if not isinstance(text, str):
        return value
    kind = mask_kind(text)
    if kind == "box":
        box_of(text)
    if kind == "word" and not text.removeprefix("word:").strip():
        raise ValueError("names no word; expected word:WORD, a word of the source prompt")
    if kind != "path":
        return text
    plain = str(local_path(text))
    return plain if mask_kind(plain) == "path" else f"./{plain}"  # a Path loses the "./" that tells it from a word


_FRAME = r"(?:\d{1,9}f?|(?:\d{1,6}\.?\d{0,9}|\.\d{1,9})s)"
"""A frame by its number (12), or by its second (2.5s)."""


def frame_of(text: str, rate: Fraction) -> int:
    """The frame of a clip of so many frames per second that "48" or "2s" names."""
    text = text.strip()
    return round(Fraction(text[:-1]) * rate) if text.endswith("s") else int(text.rstrip("f"))


def _shots(value: Any) -> Any:
    """Reads where shots begin: "auto", "none", or frames and seconds."""
    text = ",".join(str(each) for each in value) if isinstance(value, (list, tuple)) else str(value)
    parts = [each.strip() for each in text.split(",")]
    if text in ("auto", "none"):
        return text
    if not all(re.fullmatch(_FRAME, each) for each in parts):
        raise ValueError("is no cut; expected auto, none, or the first frames of later shots, such as 24,60 or 2s,4.5s")
    return ",".join(parts)


def _stretch(text: str) -> str:
    """Reads a stretch of a clip, "2s..4s"; one end may be left out."""
    ends = [each.strip() for each in text.split("..")]
    if len(ends) != 2 or not any(ends) or not all(re.fullmatch(_FRAME, each) for each in ends if each):
        raise ValueError("is no stretch; expected START..STOP in seconds or frames, such as 2s..4s, 48..96 or 2s..")
    return "..".join(ends)


ShotsText = Annotated[str, BeforeValidator(_shots)]
"""Where a clip is cut."""

StretchText = Annotated[str, AfterValidator(_stretch)]
"""A stretch of a clip; ``stretch_of`` has its frames."""


def stretch_of(text: str, rate: Fraction, frames: int) -> slice:
    """The frames that a stretch names, of a clip of so many. Raises ValueError where there are none."""
    first, last = text.split("..")
    begin = frame_of(first, rate) if first else 0
    end = min(frame_of(last, rate), frames) if last else frames
    if begin >= end:
        raise ValueError(
            f"{text} holds none of the {frames} frames that are taken of the clip ({float(frames / rate):.2f} s); "
            "expected FROM before TO, and FROM among them"
        )
    return slice(begin, end)


def _mask_keyword(text: str) -> bool:
    return mask_kind(text) != "path"


MaskText = Annotated[str, BeforeValidator(mask_text), IsPath(keyword=_mask_keyword)]
"""Where to edit: a file, or a keyword (``mask_kind``)."""


def raise_faults(settings: Any, faults: list[str]) -> Any:
    if faults:
        raise ValueError("; ".join(faults))
    return settings
