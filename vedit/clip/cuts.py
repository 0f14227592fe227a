"""Where a clip is cut from one shot to the next."""

from __future__ import annotations

from torch import Tensor

from vedit.clip.arrays import Frames, as_bytes
from vedit.clip.sizes import fit_size, resize
from vedit.mapped import CHUNK, let_go
from vedit.shots import ONE_SHOT, Shots

LOOKED_AT = 256
"""Pixels of the longer side at which frames are compared, at most."""

AROUND = 2
"""Frames before and after each that it is compared with; in the first and last of a clip no cut is found."""

SHORTEST = 4
"""Frames of the shortest shot: a flash is none."""


def find_cuts(frames: Frames) -> Shots:
    """The shots of frames (F, 3, H, W) in [0, 1], which may also be made when they are asked for.

    A cut is where hue, saturation and brightness change several times more than in the frames around, so that a quick
    pan is none.

    Source: PySceneDetect's AdaptiveDetector.
    """
    if len(frames) <= 2 * AROUND:
        return ONE_SHOT
    from scenedetect import FrameTimecode
    from scenedetect.detectors import AdaptiveDetector

    detector = AdaptiveDetector(window_width=AROUND, min_scene_len=SHORTEST)
    height, width = frames.shape[2:]
    size = fit_size((height, width), min(LOOKED_AT, max(height, width)), multiple=1)
    starts = [0]
    for index in range(len(frames)):
        if index % CHUNK == 0 and isinstance(frames, Tensor):
            let_go(frames)
        (pixels,) = as_bytes(resize(frames[index][None], size))
        # Only the order of the frames counts, so any rate will do.
        found = detector.process_frame(FrameTimecode(index, fps=1.0), pixels[..., ::-1])
        starts += [each.frame_num for each in found]
    return Shots(tuple(starts))
