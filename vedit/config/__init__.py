"""The configs of all jobs: one definition behind the flags, the YAML files, the API and the sidecar.

A default is written here and nowhere else. Each field's description is its flag's help. Nothing heavy is imported, so
that ``--help`` stays quick. ``merge`` fills these from flags and files, and ``faults`` says what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from vedit.config.animate import AnimateConfig
from vedit.config.audio import (
    BPM,
    MAX_AUDIO_SCALE,
    MOST_FRAMES,
    AudioConditionSettings,
    AudioInputSettings,
    EmphasisSettings,
    EnvelopeSettings,
    InspectAudioConfig,
    InspectTimelineConfig,
    PromptAtSettings,
    SoundtrackSettings,
    without_shots,
)
from vedit.config.controls import ConditionSettings, ControlList, ControlSettings, GuideSettings
from vedit.config.fields import (
    MAX_CONTROL_WEIGHT,
    MIN_FPS,
    Annotator,
    CompareLayout,
    Device,
    Prior,
    PromptText,
    RequiredPrompt,
    StretchText,
    Varying,
    bounds,
    box_of,
    frame_of,
    inherited,
    mask_kind,
    raise_faults,
    stretch_of,
    varying,
    window_of,
)
from vedit.config.first import FirstFrameSettings, KeyPictureSettings
from vedit.config.groups import (
    SHOWING,
    AttentionSettings,
    ClipSettings,
    CutSettings,
    EditSettings,
    FrameSettings,
    InversionSettings,
    ModelSettings,
    PromptSettings,
    Settings,
    ShotSettings,
    StepSettings,
    TuningSettings,
    VideoSettings,
)
from vedit.config.images import ImageAdapterSettings, ImageGuideSettings, ImageSettings, InspectImageConfig
from vedit.config.key_frames import KeyFrameSettings
from vedit.config.learn import LearnSubjectConfig
from vedit.config.models import HUB_NAMES, cache_folder, default_model, user_folder
from vedit.config.motion import InspectMotionConfig
from vedit.config.named_files import PartOptions
from vedit.config.paths import InputPath, OutputPath, PathOrName
from vedit.config.smooth import SmoothConfig
from vedit.config.speed import BUNDLES, LEVERS, Sampler, SpeedSettings
from vedit.config.strokes import LearntMotionSettings, MotionSettings
from vedit.config.upscale import UpscaleConfig
from vedit.windows import WINDOW

DREAMIX = 0.65
"""Share of the clip as video, where pictures are learnt beside it (Molad et al. 2023)."""

IN_MEMORY = Path("(in memory)")
"""Stands for the clip in the settings of an edit whose clip was not read from a file."""

QUEUE_WINDOWS = 4
"""Windows of frames that a queue is long, so that those of one do not differ too much in noise (Kim et al. 2024)."""

OF_A_QUEUE: Mapping[str, Any] = {"steps": QUEUE_WINDOWS * WINDOW, "prior": "gaussian", "sampler": "ddim"}
"""What a queue of frames takes where nothing else is said: steps that lie near to each other, noise that is fresh in
each frame, and none that is added in steps, of which each frame is at another."""

REPORT = "Also write a page (.html) that plays it, with all that made it. One file, to be opened in a browser."

COMPARE_LAYOUT = (
    "How both are shown: side, stack or wipe. Beside one another, above one another, or with a moving line."
)


class GuidanceSettings(SoundtrackSettings, PromptSettings):
    """What guides the frames of a clip."""

    prompt: PromptText = Field(description="What the clip shows.")


class EditConfig(
    VideoSettings,
    SoundtrackSettings,
    InversionSettings,
    TuningSettings,
    AttentionSettings,
    SpeedSettings,
    StepSettings,
    ModelSettings,
    GuideSettings,
    LearntMotionSettings,
    EditSettings,
    FirstFrameSettings,
    KeyFrameSettings,
    ShotSettings,
):
    """All settings of an edit."""

    job: ClassVar[str] = "edit"

    @property
    def steps_taken(self) -> int:
        """Denoising steps that are really taken: the strength's share of them, and one at least."""
        return max(1, round(self.strength * self.steps))

    @property
    def fill_steps(self) -> int:
        """Of these, those in which frames between key frames are made: with ``fill`` flow the last ones."""
        return (
            self.steps_taken
            if self.fill == "tokens"
            else min(self.steps_taken, round(self.fill_strength * self.steps) or 1)
        )

    only: StretchText | None = Field(
        None,
        description="Edit a stretch alone, as 2s..4s or 48..96. To before the second; the rest stays as it is, to the "
        "bit, and times count from the clip's beginning all the same.",
    )
    audio_mix: bool = Field(False, description="Keep the clip's own sound beside the --audio. Each is half as loud.")
    check_inversion: bool = Field(
        True,
        description="Reconstruct the clip where its inversion was hard. Warns where that is poor.",
    )
    control_inversion: bool = Field(False, description="Let the controls guide the inversion too.")
    sheet: OutputPath | None = Field(
        None, description="Also write a contact sheet (.png). The source above, the edit below."
    )
    report: OutputPath | None = Field(None, description=REPORT)
    compare: OutputPath | None = Field(
        None, description="Also write a clip of the source and the edit together. Named as --output may be."
    )
    compare_layout: CompareLayout = Field("side", description=COMPARE_LAYOUT)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = []
        if not self.prompt.strip() and not any(getattr(self, name) for name in SHOWING):
            faults.append("the prompt is empty; expected words that say what is to be seen, or a picture that shows it")
        if self.tune and not (self.source_prompt or "").strip():
            faults.append("tune needs source_prompt, the words that say what the clip shows")
        if self.tune and self.adapter is not None:
            faults.append("tune and adapter exclude each other; the adapter is a tuning already")
        if self.audio_mix and self.audio is None:
            faults.append("audio_mix needs audio, the sound to mix with the clip's own")
        if self.only is not None and self.motion_strokes is not None:
            faults.append("only and motion_strokes exclude each other; strokes go through the whole clip")
        if self.first and self.motion_strokes is not None:
            faults.append("first and motion_strokes exclude each other; what a picture shows goes where the clip does")
        if self.first and self.only is not None:
            faults.append("first and only exclude each other; pictures are spread over the whole clip")
        if self.key_frames is not None:
            faults += self._faults_of_key_frames()
        return raise_faults(self, faults)

    def _faults_of_key_frames(self) -> list[str]:
        alone = {
            "window": "key frames are seen together, and what lies between two of them by itself",
            "overlap": "it is windows that overlap, and key frames do not go with windows",
            "first": "several pictures of --first, each at its time, are key frames that were edited elsewhere",
            "motion_strokes": "frames are filled in along the motion that the clip has",
        }
        return [
            f"key_frames and {name} exclude each other; {why}" for name, why in alone.items() if getattr(self, name)
        ]


class CompareConfig(VideoSettings):
    """All settings of a comparison."""

    job: ClassVar[str] = "compare"

    source: InputPath = Field(description="Video file, or folder of pictures, that was edited.")
    edit: InputPath = Field(description="The edit of it.")
    layout: CompareLayout = Field("side", description=COMPARE_LAYOUT)
    start: int = Field(0, ge=0, description="Frames of the source to leave out at the beginning, as for the edit.")
    allow_partial: bool = Field(False, description="Go on with what can be decoded of damaged files.")


class GenerateConfig(
    VideoSettings,
    SoundtrackSettings,
    AttentionSettings,
    SpeedSettings,
    StepSettings,
    ModelSettings,
    GuideSettings,
    MotionSettings,
    PromptSettings,
):
    """All settings of a generated clip."""

    job: ClassVar[str] = "generate"

    prompt: PromptText = Field(
        description="What the clip shows; (word:1.4) lets a word count more. May be empty where a sound says it."
    )
    frames: int | None = Field(
        None, ge=1, le=MOST_FRAMES, description="How many frames; by default as long as the sound, or 16."
    )
    control: ControlList = Field(
        None,
        description="What steers it: edge:1:lines.mp4, pose:0.8:poses.json. In full "
        "KIND:WEIGHT:FILE[:net=NET][@START-STOP], FILE being keypoints, or pictures drawn before, as `vedit inspect` "
        "draws them: a video, a folder or one picture; may be given several times.",
    )
    fps: float = Field(8.0, ge=MIN_FPS, le=240, description="Frames per second.")
    first: InputPath | None = Field(None, description="Picture that is the first frame; `vedit animate` also moves it.")
    last: InputPath | None = Field(None, description="Picture that is the last frame.")
    width: int | None = Field(None, ge=8, le=8192, description="In pixels. By default what the model was trained at.")
    height: int | None = Field(None, ge=8, le=8192, description="In pixels. By default what the model was trained at.")
    prior: Prior = Field(
        "shared",
        description="Start from: shared, walk, gaussian or reshuffled; with --motion-strokes flow_warped or bounce. "
        "Noise: shared by all frames; wandering from frame to frame; fresh in each; or, where motion modules see a "
        "long clip in windows, fresh in the first and then the same in other orders (FreeNoise); carried along the "
        "strokes, or with a first sketch carried along them.",
    )
    steps: int = inherited(StepSettings, "steps", 50)
    sampler: Sampler = inherited(SpeedSettings, "sampler", "ddpm")
    loop: bool = Field(False, description="Let the last frame be followed by the first.")
    fifo: bool = Field(
        False,
        description="Make a clip of any length frame after frame (FIFO-Diffusion). A queue holds a frame for each of "
        "--steps, 64 by default, at all levels of noise; the memory is that of --window frames, 16 by default. Takes "
        "--prior gaussian unless another is named.",
    )
    sheet: OutputPath | None = Field(None, description="Also write a contact sheet (.png).")
    report: OutputPath | None = Field(None, description=REPORT)

    @model_validator(mode="before")
    @classmethod
    def _of_a_queue(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not values.get("fifo"):
            return values
        return {**OF_A_QUEUE, **values}

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = []
        if self.fifo:
            usual = {name: OF_A_QUEUE.get(name, type(self).model_fields[name].default) for name in LEVERS}
            given = [name for name in LEVERS if getattr(self, name) != usual[name]]
            faults += [
                f"{name} and fifo exclude each other; each frame of a queue is at a step of its own. Leave one out"
                for name in given
                if name in BUNDLES or not (self.fast or self.preview)
            ]
        if self.fifo and self.loop:
            faults.append("fifo and loop exclude each other; the last frame of a queue never meets the first")
        if self.motion_strokes is not None:
            idle = (name for name in ("fifo", "loop") if getattr(self, name))
            faults += [
                f"{each} and motion_strokes exclude each other; strokes go through the clip once" for each in idle
            ]
        if self.fifo and (self.first or self.last):
            faults.append("fifo and pictures of its ends exclude each other; a queue makes frame after frame")
        if self.loop and self.prior == "walk":
            faults.append("loop: noise that wanders does not come back; take the prior shared, gaussian or reshuffled")
        return raise_faults(self, [*faults, *without_shots(self.prompt_at)])


class InspectMaskConfig(EditConfig):
    """All settings of an edit, of which only the mask is looked at."""

    job: ClassVar[str] = "inspect mask"


Sampled = EditConfig | GenerateConfig | AnimateConfig
"""What makes a clip by sampling."""

Guided = Sampled | GuidanceSettings
"""What has prompts, their scales in time, and a sound."""


class TuneConfig(TuningSettings, AttentionSettings, ModelSettings, ShotSettings):
    """All settings of a tuning."""

    job: ClassVar[str] = "tune"
    suffix: ClassVar[str] = ".safetensors"

    prompt: RequiredPrompt = Field(description="What the clip shows.")
    steps: int = Field(500, ge=1, le=100_000, description="Training steps.")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Of the noise and the timesteps of training.")
    pictures: InputPath | None = Field(
        None,
        description="Folder of pictures to learn beside the clip, as a set with its frames (Dreamix). Each may have "
        "its words in a .txt of its name; else they are the clip's.",
    )
    mix: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the clip as video in what is learnt; the rest are its frames and --pictures as a set. "
        "By default 0.65 with pictures, else 1. Less lets another motion be asked for.",
    )
    output: OutputPath | None = Field(None, description="Where to write the adapter (.safetensors).")
    overwrite: bool = Field(False, description="Replace an adapter that exists.")

    @property
    def video_share(self) -> float:
        """The mix: as set, else by whether there are pictures."""
        if self.mix is not None:
            return self.mix
        return 1.0 if self.pictures is None else DREAMIX

    @model_validator(mode="after")
    def _agree(self) -> Self:
        taken = self.adapter is not None
        return raise_faults(self, ["an adapter cannot be tuned further; tune the model alone"] if taken else [])


class InvertConfig(VideoSettings, InversionSettings, AttentionSettings, StepSettings, ModelSettings, ShotSettings):
    """All settings of an inversion."""

    job: ClassVar[str] = "invert"

    source_prompt: PromptText | None = Field(
        None, description="What the clip shows. By default the words that the adapter was tuned on, else none."
    )


class InspectConfig(VideoSettings, ClipSettings):
    """All settings of an inspection of a clip."""

    job: ClassVar[str] = "inspect"

    kind: Annotator = Field(description="What to look for (`vedit parts`, annotators).")
    size: int | None = Field(
        None,
        ge=8,
        le=8192,
        description="Longer side, in pixels, at which to look. By default the clip's own; the result has that.",
    )
    options: Annotated[dict[str, Any], PartOptions("annotators")] = Field(
        default_factory=dict, description="Of the kind."
    )
    device: Device = "auto"
    save_data: OutputPath | None = Field(
        None, description="Also write what was found as numbers, where the kind has them."
    )
    sheet: OutputPath | None = Field(
        None, description="Also write a contact sheet (.png). The source above, what was found below."
    )


__all__ = [
    "BPM",
    "HUB_NAMES",
    "IN_MEMORY",
    "MAX_AUDIO_SCALE",
    "MAX_CONTROL_WEIGHT",
    "QUEUE_WINDOWS",
    "SHOWING",
    "AnimateConfig",
    "AttentionSettings",
    "AudioConditionSettings",
    "AudioInputSettings",
    "ClipSettings",
    "CompareConfig",
    "CompareLayout",
    "ConditionSettings",
    "ControlSettings",
    "CutSettings",
    "EditConfig",
    "EditSettings",
    "EmphasisSettings",
    "EnvelopeSettings",
    "FirstFrameSettings",
    "FrameSettings",
    "GenerateConfig",
    "GuidanceSettings",
    "GuideSettings",
    "Guided",
    "ImageAdapterSettings",
    "ImageGuideSettings",
    "ImageSettings",
    "InputPath",
    "InspectAudioConfig",
    "InspectConfig",
    "InspectImageConfig",
    "InspectMaskConfig",
    "InspectMotionConfig",
    "InspectTimelineConfig",
    "InversionSettings",
    "InvertConfig",
    "KeyFrameSettings",
    "KeyPictureSettings",
    "LearnSubjectConfig",
    "LearntMotionSettings",
    "ModelSettings",
    "MotionSettings",
    "OutputPath",
    "PathOrName",
    "PromptAtSettings",
    "PromptSettings",
    "Sampled",
    "Settings",
    "ShotSettings",
    "SmoothConfig",
    "SoundtrackSettings",
    "SpeedSettings",
    "StepSettings",
    "TuneConfig",
    "TuningSettings",
    "UpscaleConfig",
    "Varying",
    "VideoSettings",
    "bounds",
    "box_of",
    "cache_folder",
    "default_model",
    "frame_of",
    "mask_kind",
    "stretch_of",
    "user_folder",
    "varying",
    "window_of",
]
