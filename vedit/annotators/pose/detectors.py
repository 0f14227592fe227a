"""Finding people's joints: three detectors, each an optional package, all answering with OpenPose's 18 points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vedit.annotators.pose.keypoints import JOINTS, Array, Keypoints
from vedit.clip import Clip
from vedit.clip.lazy import Forwards, LazyClip
from vedit.clip.sizes import resize
from vedit.errors import PartError, VeditWarning, WeightsError, first_line
from vedit.warning_filters import filtered

Person = Array
"""(18, 3): x, y in pixels and a score in [0, 1]; a score of 0 where unknown."""

FROM_COCO = (0, 0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""Of COCO's 17 points, OpenPose's 18. The neck (1), which COCO does not have, is put in afterwards."""

FROM_MEDIAPIPE = (0, 0, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
"""The same of MediaPipe's 33 points."""

OPENPOSE_FILE, OPENPOSE_SIDE = "body_pose_model.pth", 512
"""OpenPose's weights, and the shorter side in pixels at which ControlNet's annotator lets it look."""


def detect(name: str, clip: Clip | LazyClip, device: torch.device, weights: Path | None = None) -> Keypoints:
    """Who is in each frame, as the detector says it: neither followed in time nor smoothed.

    ``name``: rtmpose, mediapipe, openpose, or auto, which is the first of them that is installed. ``weights`` is
    openpose's folder. Raises PartError where it is not installed, WeightsError for weights that are missing.
    """
    if name == "auto":
        name = installed()
    # Their own, that nothing here can mend, are left out; what is amiss with the clip is told.
    with filtered("ignore"), filtered("always", VeditWarning):
        triples = gathered(list(DETECTORS[name][1](clip.frames, device, weights)))
    return Keypoints(triples[..., :2], triples[..., 2], clip.size, clip.rate)


def gathered(frames: list[list[Person]]) -> Array:
    """The people of each frame, of whom there may be none, in one array (F, P, 18, 3)."""
    triples = np.zeros((len(frames), max(map(len, frames)), JOINTS, 3))
    for row, people in zip(triples, frames, strict=True):
        row[: len(people)] = np.reshape(people, (-1, JOINTS, 3))
    return triples


def installed() -> str:
    """The first detector that is there. Raises PartError where none is."""
    for name, (package, _) in DETECTORS.items():
        if find_spec(package) is not None:
            return name
    raise PartError(
        "'pose' needs a detector and none is installed; pip install 'vedit[pose]', or give keypoints as a .json file."
    )


def _need(name: str, module: str, remedy: str) -> Any:
    try:
        return import_module(module)
    except Exception as error:  # not only ImportError: native libraries of other builds fail in their own ways
        reason = first_line(error)
        raise PartError(f"the detector '{name}' cannot be used here ({reason}); {remedy}.") from error


def _rtmpose(frames: Tensor | Forwards, device: torch.device, weights: Path | None) -> Iterator[list[Person]]:
    """RTMPose (Jiang et al. 2023) behind YOLOX, by rtmlib: many people. Its models are fetched once."""
    rtmlib = _need("rtmpose", "rtmlib", "pip install 'vedit[rtmpose]'")
    try:
        body = rtmlib.Body(mode="balanced", backend="onnxruntime", device=device.type)
    except Exception as error:  # of the network, of unpacking or of onnxruntime; the cause stays attached
        raise WeightsError(
            f"rtmpose's models could not be had ({type(error).__name__}: {error}); connect once to fetch them, or "
            "choose another detector."
        ) from error
    for pixels in _pixels(frames):
        points, scores = body(np.ascontiguousarray(pixels[..., ::-1]))  # OpenCV's BGR
        # Maxima of its distributions, which can be a little above 1.
        yield [_with_neck(person, score.clip(0, 1), FROM_COCO) for person, score in zip(points, scores, strict=True)]


def _mediapipe(frames: Tensor | Forwards, device: torch.device, weights: Path | None) -> Iterator[list[Person]]:
    """BlazePose (Bazarevsky et al. 2020) by MediaPipe: one person, on the CPU, with the models of its wheel."""
    remedy = "pip install 'vedit[pose]'"
    package = _need("mediapipe", "mediapipe", remedy)
    if not hasattr(package, "solutions"):
        raise PartError(f"mediapipe {package.__version__} carries no pose models; {remedy}, which has one that does.")
    # It would smooth by itself, with a filter that lags.
    with package.solutions.pose.Pose(static_image_mode=False, model_complexity=1, smooth_landmarks=False) as pose:
        for pixels in _pixels(frames):
            found = pose.process(pixels).pose_landmarks
            if found is None:
                yield []
                continue
            height, width = pixels.shape[:2]
            positions = np.array([(each.x * width - 0.5, each.y * height - 0.5) for each in found.landmark])
            scores = np.array([each.visibility for each in found.landmark]).clip(0, 1)
            # It also guesses what is outside of the picture, which OpenPose's drawings never show.
            inside = ((positions >= -0.5) & (positions <= (width - 0.5, height - 0.5))).all(1)
            yield [_with_neck(positions, np.where(inside, scores, 0.0), FROM_MEDIAPIPE)]


def _openpose(frames: Tensor | Forwards, device: torch.device, weights: Path | None) -> Iterator[list[Person]]:
    """OpenPose (Cao et al. 2017) by controlnet_aux: many people. Its weights are for non-commercial use."""
    from vedit.annotators.learned import from_hub, in_folder

    path = None if weights is None else in_folder(OPENPOSE_FILE, weights)
    module = _need("openpose", "controlnet_aux.open_pose.body", "pip install 'vedit[annotators]'")
    path = path or from_hub(OPENPOSE_FILE)
    try:
        body = module.Body(str(path)).to(device)
    except Exception as error:  # zip, pickle and torch each have errors of their own
        raise WeightsError(f"{path} cannot be read as OpenPose's weights; fetch {OPENPOSE_FILE} again.") from error
    height, width = frames.shape[-2:]
    scale = OPENPOSE_SIDE / min(height, width)
    inside = round(height * scale), round(width * scale)
    back = np.array([width / inside[1], height / inside[0]])
    for frame in frames:
        (pixels,) = _pixels(resize(frame[None], inside))
        with torch.inference_mode():
            candidates, people = body(np.ascontiguousarray(pixels[..., ::-1]))  # BGR
        found = from_openpose(candidates, people)
        found[..., :2] = (found[..., :2] + 0.5) * back - 0.5
        yield list(found)


def from_openpose(candidates: Any, people: Any) -> Array:
    """Its answer as people (P, 18, 3). Each person is a row whose first 18 numbers are indices into the candidates (x,
    y, score, id), -1 where a joint was not found."""
    rows = np.asarray(people, np.float64).reshape(-1, JOINTS + 2)[:, :JOINTS].astype(int)
    triples = np.asarray(candidates, np.float64).reshape(-1, 4)[:, :3].clip(None, [np.inf, np.inf, 1.0])
    return np.concatenate([triples, np.zeros((1, 3))])[rows]  # -1 is the last row, of zeros


Detector = Callable[[Tensor | Forwards, torch.device, Path | None], Iterator[list[Person]]]

DETECTORS: dict[str, tuple[str, Detector]] = {
    "rtmpose": ("rtmlib", _rtmpose),
    "mediapipe": ("mediapipe", _mediapipe),
    "openpose": ("controlnet_aux", _openpose),
}
"""The package of each and how it is run, in the order in which "auto" looks: who is installed for this alone first."""


def _pixels(frames: Tensor | Forwards) -> Iterator[NDArray[np.uint8]]:
    """Each frame of (F, 3, H, W) as (H, W, 3) RGB."""
    for frame in frames:
        yield frame.detach().cpu().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()


def _with_neck(positions: Array, scores: Array, order: tuple[int, ...]) -> Person:
    """Points (K, 2) and scores (K,) in OpenPose's order; the neck is the middle of the shoulders, and as sure as the
    less sure of them."""
    person = np.concatenate([positions, scores[:, None]], axis=1)[list(order)]
    right, left = person[2], person[5]
    person[1] = *((right + left) / 2)[:2], min(right[2], left[2])
    return person
