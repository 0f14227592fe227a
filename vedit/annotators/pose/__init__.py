"""Poses: people's joints found in a clip or read from a file, made steady, and drawn as skeletons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from vedit.annotators import CPU, Annotation, FrameByFrame
from vedit.annotators.pose.detectors import detect
from vedit.annotators.pose.drawing import draw
from vedit.annotators.pose.keypoints import Keypoints, read_keypoints
from vedit.annotators.pose.smoothing import drop, fill, one_euro, savgol
from vedit.annotators.pose.tracking import track
from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.config import InputPath, Settings

__all__ = ["Keypoints", "Pose", "PoseAnnotation", "draw", "read_keypoints"]


@dataclass(frozen=True, eq=False)
class PoseAnnotation(Annotation):
    """Skeletons, and the keypoints that were drawn."""

    keypoints: Keypoints

    def save_data(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the keypoints as JSON (docs/keypoints.md), which `read` takes."""
        self.keypoints.save(path, overwrite=overwrite)


class Pose(FrameByFrame):
    """Skeletons in OpenPose's drawing, on black, as SD's pose ControlNets were trained."""

    class Options(Settings):
        """How joints are found and how they are made steady."""

        detector: Literal["auto", "rtmpose", "mediapipe", "openpose"] = Field(
            "auto", description="Who looks; auto is the first that is installed. mediapipe sees one person."
        )
        weights: InputPath | None = Field(
            None, description="Folder of openpose's weights; by default they are fetched."
        )
        threshold: float = Field(0.3, ge=0, le=1, description="Joints of a lower score are dropped.")
        max_gap: int = Field(5, ge=0, description="Frames for which a joint that was lost is filled in.")
        smooth: Literal["one_euro", "savgol", "none"] = Field("one_euro", description="Filter in time.")
        cutoff: float = Field(2.0, gt=0, le=1000, description="Hz, of one_euro for what rests: less is steadier.")
        beta: float = Field(
            0.005, ge=0, le=100, description="How much faster one_euro follows what moves: more is more faithful."
        )

    options: Options

    def annotate(self, clip: Clip | LazyClip, device: torch.device = CPU) -> PoseAnnotation:
        options = self.options
        return _drawn(self.steady(detect(options.detector, clip, device, options.weights)), clip)

    def steady(self, keypoints: Keypoints) -> Keypoints:
        """What a detector found, with people followed, doubtful joints dropped, gaps filled and jitter taken out."""
        followed = track(drop(keypoints, self.options.threshold))
        filled = fill(followed, self.options.max_gap)
        if self.options.smooth == "one_euro":
            return one_euro(filled, self.options.cutoff, self.options.beta)
        return savgol(filled) if self.options.smooth == "savgol" else filled

    def read(self, path: Path, clip: Clip) -> Annotation:
        """Keypoints of a .json file, drawn as they are; anything else holds pictures that were drawn before."""
        if path.suffix.lower() == ".json":
            return _drawn(read_keypoints(path).fitted(clip, path), clip)
        return super().read(path, clip)


def _drawn(keypoints: Keypoints, clip: Clip | LazyClip) -> PoseAnnotation:
    def make(indices: Sequence[int]) -> Iterator[Tensor]:
        return (draw(keypoints.of_frame(index))[0] for index in indices)

    return PoseAnnotation(replace(LazyClip.of(clip), make=make), keypoints)
