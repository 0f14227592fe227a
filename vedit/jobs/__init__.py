"""Jobs: settings in, a result out. The table of them, from which the command, ``rerun`` and the estimate are made.

A job's settings are light, and so is looking at the table; the job itself is imported when it is run.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from vedit.config import (
    AnimateConfig,
    CompareConfig,
    EditConfig,
    GenerateConfig,
    InspectAudioConfig,
    InspectConfig,
    InspectImageConfig,
    InspectMaskConfig,
    InspectMotionConfig,
    InspectTimelineConfig,
    InvertConfig,
    LearnSubjectConfig,
    Settings,
    SmoothConfig,
    TuneConfig,
    UpscaleConfig,
)
from vedit.errors import PartError, VeditWarning
from vedit.progress import Progress

if TYPE_CHECKING:
    from vedit.jobs.base import Job


@dataclass(frozen=True)
class Entry:
    """One job of the table.

    Attributes:
        config: its settings, whose ``job`` is its name
        target: "module:Class" of the job
        help: of its command
        arguments: the settings that are arguments of the command, in their order; the others are flags
        estimated: whether the command has --dry-run
        again: whether a result has its settings beside it, from which ``vedit rerun`` makes it again
    """

    config: type[Settings]
    target: str
    help: str
    arguments: tuple[str, ...]
    estimated: bool = False
    again: bool = False

    @property
    def name(self) -> str:
        return self.config.job

    def load(self) -> Job[Any, Any]:
        """The job. Raises PartError where a plug-in cannot be imported."""
        module, _, name = self.target.partition(":")
        try:
            made: Job[Any, Any] = getattr(import_module(module), name)()
        except Exception as error:
            if module.partition(".")[0] == "vedit":
                raise
            # a plug-in may fail in any way; the cause stays attached
            raise PartError(
                f"the job '{self.name}' ({self.target}) failed to load: {error}. Mend or uninstall it."
            ) from error
        return made


SIDECAR = "Beside the result lies a .yaml file of all settings, which `vedit rerun` takes."

OWN = (
    Entry(
        EditConfig, "vedit.jobs.edit:Edit", f"Edit a clip with a prompt.\n\n{SIDECAR}", ("clip", "prompt"),
        estimated=True, again=True,
    ),
    Entry(
        GenerateConfig, "vedit.jobs.generate:Generate",
        f"Make a clip from a prompt, and let it follow a sound.\n\n{SIDECAR}", ("prompt",), estimated=True, again=True,
    ),
    Entry(
        AnimateConfig, "vedit.jobs.animate:Animate",
        f"Set a picture in motion: along strokes, with words, with a sound.\n\n{SIDECAR}", ("picture",),
        estimated=True, again=True,
    ),
    Entry(
        TuneConfig, "vedit.jobs.tune:TuneJob",
        "Tune the model on one clip, into a small adapter file that `vedit edit --adapter` takes.", ("clip",),
        estimated=True,
    ),
    Entry(
        LearnSubjectConfig, "vedit.jobs.learn_subject:LearnSubjectJob",
        "Teach the model a subject from a few pictures of it, as a LoRA with a word of its own, which --lora takes.",
        ("pictures",), estimated=True,
    ),
    Entry(
        InvertConfig, "vedit.jobs.invert:Invert",
        "Invert a clip and show how well it is reconstructed, beside the VAE's own round trip.", ("clip",),
        estimated=True,
    ),
    Entry(
        CompareConfig, "vedit.jobs.compare:CompareJob", "Show a source and its edit together, as one clip with sound.",
        ("source", "edit"),
    ),
    Entry(
        SmoothConfig, "vedit.jobs.smooth:SmoothJob",
        "Give a clip more frames in between, along what moves in it; it lasts as long as before, with its sound.",
        ("clip",),
    ),
    Entry(
        UpscaleConfig, "vedit.jobs.upscale:Upscale",
        f"Make a clip larger, and let the model draw its details.\n\n{SIDECAR}", ("clip",), estimated=True, again=True,
    ),
    Entry(InspectConfig, "vedit.jobs.inspect:Inspect", "What an annotator finds in a clip.", ("clip",)),
    Entry(
        InspectMaskConfig, "vedit.jobs.inspect_mask:InspectMask",
        "See where an edit may happen, before it is paid for; takes what `vedit edit` takes.\n\n"
        "`--mask auto` and `--mask word:WORD` ask the model, in a few passes; other masks do not.", ("clip", "prompt"),
    ),
    Entry(
        InspectMotionConfig, "vedit.jobs.inspect_motion:InspectMotion",
        "See motion strokes over a picture: ways, what moves with them, what stays, and the camera.\n\n"
        "Takes files of other tools too, and says what it assumed; --save-data writes them as one of vedit's own.",
        ("strokes",),
    ),
    Entry(
        InspectAudioConfig, "vedit.jobs.inspect_audio:InspectAudio",
        "See the features of a sound: its waveform, a feature in each frame, onsets and beats.", ("audio",),
    ),
    Entry(
        InspectImageConfig, "vedit.jobs.inspect_image:InspectImage",
        "See what the image encoder makes of a picture: the captions that are nearest, and what its tokens look at in "
        "a step of the model.", ("image",),
    ),
    Entry(
        InspectTimelineConfig, "vedit.jobs.inspect_audio:InspectTimeline",
        "See the number that a timeline is in each frame.", ("timeline",),
    ),
)  # fmt: skip
"""The jobs that come with vedit."""


@cache
def jobs() -> Mapping[str, Entry]:
    """All jobs by their names: vedit's own, then those of other packages (entry points of the group "vedit.jobs", each
    of which names an ``Entry``). Warns of one that cannot be imported."""
    found: dict[str, Entry] = {}
    for point in entry_points(group="vedit.jobs"):
        try:
            found[point.name] = point.load()
        except Exception as error:  # a plug-in may fail in any way, and the other jobs go on without it
            warnings.warn(
                f"the plug-in '{point.name}' ({point.value}) of jobs failed to load: {error}. Mend or uninstall it.",
                VeditWarning,
                stacklevel=2,
            )
    return {**found, **{entry.name: entry for entry in OWN}}


def run(config: Settings, progress: Progress | None = None) -> Any:
    """The result of the job that these are the settings of, and its files, as the command makes them. Raises
    VeditError."""
    from vedit.jobs import base

    job = entry_of(config).load()
    return base.run(job, job.checked(config), progress=progress)


def entry_of(config: Settings) -> Entry:
    """The job that these are the settings of."""
    return jobs()[config.job]
