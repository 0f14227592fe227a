"""The groups of settings that commands share: one definition and one default each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from vedit import timeline
from vedit.config import named_files
from vedit.config.fields import (
    Attention,
    Device,
    MaskText,
    Prior,
    PromptText,
    Range,
    ShotsText,
    Varying,
    WindowText,
    as_tuple,
    varying,
)
from vedit.config.lora import Lora
from vedit.config.models import HUB_NAMES, default_model
from vedit.config.named_files import NamedFile
from vedit.config.paths import InputPath, MayBePath, OutputPath
from vedit.timeline import Moments

Group = TypeVar("Group", bound="Settings")


class Settings(BaseModel):
    """Base of all settings: frozen, and closed to unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    transient: ClassVar[frozenset[str]] = frozenset({"overwrite"})
    """What holds for one run only, and so is not written into the sidecar."""

    weighted_prompts: ClassVar[frozenset[str]] = frozenset()
    """Fields that are prompts, in whose text brackets weigh words."""

    job: ClassVar[str] = ""
    """The name of the job that these are the settings of (``vedit.jobs.JOBS``); empty for those of a part of one."""

    suffix: ClassVar[str] = ".mp4"
    """Of the output, where nothing else names it."""

    _config: Path | None = PrivateAttr(None)
    """The file that some of these came from."""

    def with_config_file(self, config: Path) -> Self:
        """Note the file that some of these settings came from."""
        self._config = config
        return self

    def files_read(self) -> list[NamedFile]:
        """The files and folders that are read, with the file that settings came from."""
        config = [] if self._config is None else [NamedFile("config", self._config)]
        return [*named_files.files_read(self), *config]

    def part(self, group: type[Group]) -> Group:
        """Those of the settings that a ``group`` holds; they were checked when these were made."""
        held = {name: getattr(self, name) for name in group.model_fields}
        return cast(Group, group.model_construct(**held))

    def identity(self) -> dict[str, Any]:
        """The settings as the name of a result tells them: a file that is written counts by its name, not by what it
        holds before."""
        written = named_files.fields_written(type(self))
        return {name: str(value) if name in written else value for name, value in dict(self).items()}

    @classmethod
    def ranges(cls) -> dict[str, Range]:
        """The settings that may vary in time, and between which numbers."""
        return {
            name: each.func
            for name, field in cls.model_fields.items()
            for each in field.metadata
            if isinstance(each, BeforeValidator) and isinstance(each.func, Range)
        }

    def per_frame(self, name: str, moments: Moments) -> list[float]:
        """The value of a setting that may vary in time in each frame (F,). Raises ConfigError, as a timeline does."""
        between = self.ranges()[name]
        return timeline.read(getattr(self, name)).values(moments, low=between.low, high=between.high)

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        """The settings of a short text, for those that have one. Raises ValueError where it cannot be read."""
        raise ValueError("is text; expected settings by their names")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return cls.read(value) if isinstance(value, str) else value


class FrameSettings(Settings):
    """Clip"""

    clip: InputPath = Field(description="Video file, or folder of pictures.")
    frames: int | None = Field(None, ge=1, description="How many frames to take; all by default.")
    start: int = Field(0, ge=0, description="Frames to leave out at the beginning.")
    stride: int = Field(1, ge=1, description="Take each n-th frame. The clip lasts as long as before.")
    allow_partial: bool = Field(False, description="Go on with what can be decoded of a damaged file.")


class ClipSettings(FrameSettings):
    """Clip"""

    size: int | None = Field(
        None,
        ge=8,
        le=8192,
        description="Longer side, in pixels, at which the model works. By default the one it was trained at; the "
        "result has the clip's own size.",
    )


class CutSettings(FrameSettings):
    """Clip"""

    shots: ShotsText = Field(
        "auto",
        description="Where the clip is cut: auto, none, or frames as 24,60 or 2s,4.5s. Each shot is seen by itself; "
        "auto finds them, none takes the clip for one.",
    )


class ShotSettings(ClipSettings, CutSettings):
    """Clip"""


NO_MOTION = "none"
"""Said in place of motion modules, to leave out those that a model brings."""


class ModelSettings(Settings):
    """Model"""

    model: Annotated[str, MayBePath(names=frozenset({"mini", *HUB_NAMES}))] = Field(
        default_factory=default_model,
        min_length=1,
        description="mini, sd14, sd15, sd21, sd21-base, a hub id, a folder or a file. A folder is in diffusers "
        "layout, a file .safetensors. Without it: $VEDIT_MODEL, else the user's config.yaml, else mini.",
    )
    motion_adapter: Annotated[str, MayBePath(names=frozenset({NO_MOTION}))] | None = Field(
        None,
        description="AnimateDiff motion adapter: a folder, a hub id or a file. none leaves out the one that a model "
        "brings.",
    )
    lora: Annotated[tuple[Lora, ...], BeforeValidator(as_tuple)] = Field(
        (), description="LoRA file, or file:scale. May be given several times."
    )
    adapter: InputPath | None = Field(None, description="Adapter that `vedit tune` wrote for this model.")
    device: Device = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto",
        description="Of the UNet: auto, float32, float16 or bfloat16. auto is float16 on CUDA and float32 elsewhere.",
    )
    kernel: Literal["auto", "xformers", "sdpa", "math"] = Field(
        "auto",
        description="Attention kernel: auto, xformers, sdpa or math. auto is the fastest that agrees numerically.",
    )


class WordSettings(Settings):
    """Sampling"""

    negative_prompt: PromptText = Field(
        "", description="What guidance leads away from. By default nothing in particular."
    )
    guidance: Annotated[Varying, varying(0, 100)] = Field(
        6.0, description="How far to lead towards the prompt; 1 is none. May vary in time (`vedit inspect timeline`)."
    )
    apg_eta: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Eta of adaptive projected guidance: the share kept of the part that only saturates. 1 is "
        "classifier-free guidance as it was published, 0 projects that part away.",
    )
    seed: int = Field(
        0, ge=0, le=2**63 - 1, description="Of the noise, and of tuning. The same seed gives the same result."
    )


class PromptSettings(WordSettings):
    """Sampling"""

    guidance_interval: WindowText = Field(
        "0-1",
        description="Share of the steps that are guided: 0-0.7. The others ask the prompt alone, in one pass where "
        "guidance takes two.",
    )
    noise_walk: Annotated[Varying, varying(0, 1)] = Field(
        0.1,
        description="With --prior walk, how far the noise wanders in a frame. 0 stays with that of the frame before, "
        "1 is fresh; may vary in time.",
    )
    motion_scale: Annotated[Varying, varying(0, 10)] = Field(
        1.0,
        description="Weight of the temporal layers. Those of --motion-adapter or of a tuning; 0 is off, 1 as they were "
        "trained; may vary in time.",
    )


SHOWING = ("first", "image")
"""Settings of an edit whose pictures show what is to be seen, so that the prompt may be left out."""


class EditSettings(PromptSettings):
    """Sampling"""

    @model_validator(mode="before")
    @classmethod
    def _need_no_words(cls, values: Any) -> Any:
        """Where pictures say what is to be seen, no words have to."""
        shown = isinstance(values, dict) and any(values.get(name) for name in SHOWING)
        return {**values, "prompt": values.get("prompt") or ""} if shown else values

    prompt: PromptText = Field(description="What the edited clip shows; (word:1.4) lets a word count more.")
    source_prompt: PromptText | None = Field(
        None,
        description="What the clip shows now; what both prompts agree on is kept. By default the words that the "
        "adapter was tuned on, else none: then the whole frame is open to change.",
    )
    mask: MaskText = Field(
        "auto",
        description="Where to edit: auto, none, box:X,Y,W,H, word:WORD, or a file. The rest is kept. auto: "
        "where the prompt and the source prompt disagree (needs both); none: everywhere; a picture, video or folder "
        "that is white there; box:X,Y,W,H in pixels of the clip, or in shares of it where all four are at most 1; "
        "word:WORD, where the clip shows this word of the source prompt.",
    )
    mask_samples: int = Field(
        2, ge=1, le=16, description="Times that --mask auto compares the prompts, at each of four levels of noise."
    )
    paste: bool = Field(
        True,
        description="Put the clip's own pixels back outside of the mask, and inside where the edit does not change "
        "them to the eye. Without it they are the VAE's.",
    )
    inject: float = Field(
        0.45,
        ge=0,
        le=1,
        description="Share of steps that inject the clip's features (plug-and-play). 0 leaves the layout open.",
    )
    strength: float = Field(
        0.95, gt=0, le=1, description="Noise to start from, up to 1; less keeps more of the layout."
    )
    prior: Prior = Field(
        "inversion",
        description="Start from: inversion, gaussian, shared, walk, reshuffled, flow_warped, bounce. The clip's "
        "inversion, or noise: gaussian, fresh in each frame; shared by all frames; walk, wandering from frame to "
        "frame; reshuffled, that of a long clip's first frames in other orders; flow_warped, carried along the clip's "
        "motion; or bounce, a first sketch carried along it.",
    )
    tune: int = Field(0, ge=0, le=100_000, description="Steps to tune the model on the clip first; 0 is not at all.")


class StepSettings(Settings):
    """Sampling"""

    steps: int = Field(25, ge=1, le=1000, description="Steps of sampling, each way.")
    cache: bool = Field(
        True,
        description="Keep what the next job with the clip can use, and what this one goes on from if it is killed; "
        "`vedit cache` shows it.",
    )


class AttentionSettings(Settings):
    """Sampling"""

    attention: Attention | None = Field(
        None,
        description="Which frames each frame looks at; `vedit parts` lists the kinds. By default what the model was "
        "tuned with; else per_frame with motion modules, full among key frames, and sparse_causal without either.",
    )
    window: int | None = Field(
        None,
        ge=2,
        le=10_000,
        description="Frames that the network sees at once. A longer clip is seen in windows that overlap; by default "
        "only where its frames do not fit into memory together.",
    )
    overlap: int | None = Field(
        None,
        ge=1,
        le=5_000,
        description="Frames that windows share, up to half of the --window it goes with. A quarter by default.",
    )

    @model_validator(mode="after")
    def _windows_overlap(self) -> Self:
        if self.overlap is None:
            return self
        if self.window is None:
            raise ValueError("overlap needs window, such as --window 16: it says how many frames two windows share")
        if self.overlap > self.window // 2:
            raise ValueError(
                f"overlap: windows of {self.window} frames share at most {self.window // 2}, half of them; "
                f"{self.overlap} is too many"
            )
        return self


class InversionSettings(Settings):
    """Inversion"""

    inversion_corrections: int = Field(
        1,
        ge=0,
        le=20,
        description="Times that each step of the inversion is corrected. A pass each; 0 is plain DDIM inversion, as "
        "long as 1 and less exact.",
    )


class TuningSettings(Settings):
    """Tuning"""

    learning_rate: float | None = Field(
        None, gt=0, le=1, description="Of one-shot tuning. By default what the model asks for, else 3e-5."
    )
    recipe: Literal["motion", "original"] = Field(
        "motion",
        description="How a clip is learnt: motion or original. motion: so that it also comes back from fresh noise; "
        "original: as Tune-A-Video does it.",
    )
    early_stop: bool = Field(
        False,
        description="End tuning once it has learnt. Its error on the same noise is looked at every 25 steps; what it "
        "may take at most stays as it is given.",
    )
    tuned_blocks: Literal["all", "up"] = Field(
        "all", description="Blocks of the UNet that learn: all or up. With up a step is quicker, and learns less."
    )


class VideoSettings(Settings):
    """Output"""

    output: OutputPath | None = Field(
        None,
        description="Where to write: .mp4 .m4v .mov .mkv .webm .gif .webp, or a folder. A name without a suffix makes "
        "a folder of PNGs.",
    )
    overwrite: bool = Field(False, description="Replace outputs that exist.")
    crf: int = Field(18, ge=0, le=51, description="Quality of the encoder, 0 to 51; 0 is best, larger is smaller.")
    codec: Literal["libx264", "libx265", "libvpx-vp9"] = Field(
        "libx264", description="Encoder: libx264, libx265 or libvpx-vp9."
    )
