"""Motion modules that are put on a model: AnimateDiff's (Guo et al. 2023), and those that ``training.motion`` makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import MotionAdapter

from vedit.adapters.base import Attachable, Undo
from vedit.backbone import checkpoints, model_files
from vedit.backbone.loading import empty, for_inference, on_device, read_scheduler
from vedit.backbone.model import Backbone
from vedit.errors import WeightsError

_ANIMATEDIFF_SCHEDULE = {"beta_schedule": "linear", "clip_sample": False}
"""What AnimateDiff's motion modules were trained with, whatever the model's own schedule is."""

_NOISE = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr")
"""Of a noise schedule's settings, those that decide how noisy a timestep is."""


@dataclass(frozen=True)
class MotionFiles:
    """Where motion modules lie.

    Attributes:
        weights: their files
        folder: of a MotionAdapter; None for AnimateDiff's own file
        schedule: what they need of the noise schedule
    """

    weights: tuple[Path, ...]
    folder: Path | None
    schedule: dict[str, Any]

    @classmethod
    @model_files.reading_weights()
    def of(cls, name: str | Path) -> MotionFiles:
        """From a MotionAdapter's folder, a hub id, or AnimateDiff's own file.

        A folder's ``scheduler_config.json``, where there is one (``training.motion`` writes it), says which noise
        schedule they were trained with; else it is AnimateDiff's own.

        Raises WeightsError for what is no such thing.
        """
        path = Path(name).expanduser()
        schedule: dict[str, Any] = dict(_ANIMATEDIFF_SCHEDULE)
        if model_files.is_hub_id(name):
            path = model_files.from_hub(str(name), ("",))
        if path.is_dir():
            if (path / "scheduler_config.json").is_file():
                said = read_scheduler(path)
                schedule = {key: said[key] for key in _NOISE if key in said}
            return cls(tuple(model_files.part_files(path, "")), path, schedule)
        if path.is_file():
            return cls((path,), None, schedule)
        raise WeightsError(f"'{name}' is no folder, file or hub id of AnimateDiff motion modules.")

    @model_files.reading_weights()
    def config(self) -> dict[str, Any]:
        """The MotionAdapter's config, which for AnimateDiff's own file is read off its tensors. Raises WeightsError."""
        if self.folder is not None:
            return checkpoints.read_config(self.folder / "config.json")
        return checkpoints.motion_from_original(checkpoints.read_tensors(self.weights))[0]


@dataclass(frozen=True)
class Motion(Attachable):
    """Motion modules as read: diffusers' MotionAdapter, and the ``files`` that they came from."""

    modules: MotionAdapter
    files: MotionFiles

    @classmethod
    @model_files.reading_weights()
    def read(cls, name: str | Path) -> Motion:
        """From what ``MotionFiles.of`` takes. Raises WeightsError for what is missing, damaged, or no such thing."""
        files = MotionFiles.of(name)
        tensors = checkpoints.read_tensors(files.weights)
        if files.folder is None:
            config, tensors = checkpoints.motion_from_original(tensors)
        else:
            config = files.config()
        modules = empty(MotionAdapter, config)
        checkpoints.fill(modules, tensors, "motion modules", spare=r"\.pos_embed\.pe$")
        return cls(modules, files)

    def put_on(self, backbone: Backbone) -> Undo:
        """Attach the modules, in the place of others that are there, and give the model their noise schedule.

        Raises WeightsError unless they are made for a UNet of this shape.
        """
        theirs, own = list(self.modules.config.block_out_channels), list(backbone.unet.config.block_out_channels)
        if theirs != own:
            raise WeightsError(f"the motion modules are for a unet with channels {theirs}, this model's are {own}.")
        others, schedule, identity = backbone.layers.motion, backbone.scheduler_config, backbone.identity

        def undo() -> None:
            backbone.layers.detach_motion()
            if others is not None:
                backbone.layers.attach_motion(others)
            backbone.scheduler_config, backbone.identity = schedule, identity

        backbone.layers.detach_motion()
        try:
            with on_device(backbone.device):
                backbone.layers.attach_motion(for_inference(self.modules, backbone.device, backbone.dtype))
        except BaseException:
            undo()
            raise
        backbone.scheduler_config = {**schedule, **self.files.schedule}
        backbone.identity = identity.also(self.files.weights)
        return undo
