"""The pictures of an edit that show single frames of it: what is wrong with them, and which frames they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vedit.clip.images import picture_facts
from vedit.clip.sizes import Size
from vedit.config import EditConfig
from vedit.errors import ConfigError, MediaError
from vedit.graph.files import File
from vedit.jobs.images import check_picture
from vedit.priors import PRIORS
from vedit.stages.motion import ReadPicture
from vedit.timeline import Moments

STRETCHED = 0.02
"""By how much the proportions of a picture may differ from the clip's."""


def check(config: EditConfig) -> None:
    """Find faults of the pictures that show before a model is opened. Raises ConfigError and MediaError."""
    if not config.first:
        return
    for each in config.first:
        check_picture(each.file)
    if "clip" in PRIORS.load(config.prior).needs:
        raise ConfigError(
            f"prior: {config.prior} leads back to the clip, and --first shows something else; take flow_warped, "
            "shared, walk or gaussian."
        )


def placed(config: EditConfig, moments: Moments, own: Size) -> dict[int, Path]:
    """The pictures by the indices of the frames that they are, in their order; ``own`` (H, W) is the clip's size.

    Raises:
        ConfigError: for times outside of the clip, and two pictures of one frame
        MediaError: for a picture of other proportions
    """
    found = sorted(((moments.frame_of(each.time, "first"), each.file) for each in config.first), key=lambda it: it[0])
    for frame, file in found:
        if frame >= moments.frames:
            raise ConfigError(
                f"first: {file.name} is of frame {frame}, and the last that is edited is {moments.frames - 1}."
            )
        (height, width), _ = picture_facts(file)
        if abs(width * own[0] / (height * own[1]) - 1) > STRETCHED:
            raise MediaError(
                f"first: {file} is {width}x{height}, and the clip {own[1]}x{own[0]}; expected a picture of its "
                "proportions."
            )
    if len(dict(found)) < len(found):
        raise ConfigError("first: two pictures are of the same frame; give each its own, such as 2s:later.png.")
    return dict(found)


@dataclass(frozen=True)
class KeyPictures:
    """Pictures in the order of the frames that they are.

    Attributes:
        at: the indices of these frames
        working: at the size that is worked at
        whole: at the clip's own size
    """

    at: tuple[int, ...]
    working: tuple[ReadPicture, ...]
    whole: tuple[ReadPicture, ...]

    @classmethod
    def of(cls, config: EditConfig, moments: Moments, own: Size, working: Size) -> KeyPictures:
        """Those that settings name, for a clip of pictures of the size ``own`` (H, W). Raises as ``placed``."""
        found = placed(config, moments, own)
        files = [File.of(file) for file in found.values()]
        return cls(tuple(found), *(tuple(ReadPicture(file, size) for file in files) for size in (working, own)))
