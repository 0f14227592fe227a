"""The layers that join frames, put on a UNet and taken off again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.utils.hooks import RemovableHandle

from vedit.attention.context import StepContext
from vedit.backbone import temporal
from vedit.backbone.outline import Attached

if TYPE_CHECKING:
    from diffusers import MotionAdapter, UNet2DConditionModel


class FrameLayers:
    """Those of one UNet: Tune-A-Video's temporal attention, AnimateDiff's motion modules, and group norms that span
    the clip. Taken off, they leave the UNet as it was, to the bit."""

    def __init__(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        self._unet = unet
        self._context = context
        self._temporal: list[RemovableHandle] = []
        self._motion: list[RemovableHandle] = []
        self._clip_wide: list[RemovableHandle] = []
        self.motion: MotionAdapter | None = None
        """The motion modules that are attached."""

    @property
    def attached(self) -> Attached:
        return Attached(self.has_temporal, self.positions, self.has_motion)

    # Tune-A-Video's temporal attention

    @property
    def has_temporal(self) -> bool:
        return bool(self._temporal)

    def attach_temporal(self, *, positions: bool = False) -> None:
        """Add Tune-A-Video's temporal attention, silent until it is tuned or loaded. No effect if attached.

        With ``positions`` it also knows which frame is which; the original does not.
        """
        if not self._temporal:
            self._temporal = temporal.attach_temporal(self._unet, self._context, positions=positions)

    def detach_temporal(self) -> None:
        if self._temporal:
            temporal.remove(self._temporal)
            temporal.detach_temporal(self._unet)

    @property
    def positions(self) -> bool:
        """Whether the temporal attention knows which frame is which."""
        return any(layer.positions for layer in temporal.temporal_layers(self._unet))

    @positions.setter
    def positions(self, known: bool) -> None:
        for layer in temporal.temporal_layers(self._unet):
            layer.positions = known

    # AnimateDiff's motion modules

    @property
    def has_motion(self) -> bool:
        return bool(self._motion)

    def attach_motion(self, adapter: MotionAdapter) -> None:
        """Add motion modules. Raises WeightsError when they do not fit this UNet."""
        self._motion = temporal.attach_motion(self._unet, adapter, self._context)
        self.motion = adapter

    def detach_motion(self) -> None:
        if self._motion:
            temporal.remove(self._motion)
            temporal.detach_motion(self._unet)
            self.motion = None

    def seen_at_once(self, frames: int) -> int:
        """How many of so many ``frames`` the motion modules, which are there, see at once."""
        assert self.motion is not None
        return temporal.seen_at_once(frames, int(self.motion.config.motion_max_seq_length))

    # Group norms

    @property
    def has_clip_wide_norm(self) -> bool:
        return bool(self._clip_wide)

    def use_clip_wide_norm(self) -> None:
        """Take the resnets' group-norm statistics over all frames, as Tune-A-Video's checkpoints need."""
        if not self._clip_wide:
            self._clip_wide = temporal.span_frames(self._unet, self._context)

    def use_per_frame_norm(self) -> None:
        temporal.remove(self._clip_wide)
