"""The pictures that a generated clip begins and ends with: what is wrong with them, and their stages."""

from __future__ import annotations

from dataclasses import dataclass

from vedit.clip.images import picture_facts
from vedit.clip.sizes import Size
from vedit.config import GenerateConfig
from vedit.errors import ConfigError, MediaError
from vedit.graph.files import File
from vedit.jobs.first import STRETCHED
from vedit.jobs.images import check_picture
from vedit.session import Model
from vedit.stages.ends import EncodeEnds, HoldEnds, Shape
from vedit.stages.motion import ReadPicture


def check(config: GenerateConfig) -> None:
    """Find faults of the pictures that show before a model is opened. Raises MediaError."""
    for each in (config.first, config.last):
        if each is not None:
            check_picture(each)
    if config.first is not None and config.last is not None:
        (height, width), (other_height, other_width) = (picture_facts(each)[0] for each in (config.first, config.last))
        if abs(width * other_height / (height * other_width) - 1) > STRETCHED:
            raise MediaError(
                f"last: {config.last} is {other_width}x{other_height}, and the first picture {width}x{height}; "
                "expected one of its proportions."
            )


def size_of(config: GenerateConfig) -> Size | None:
    """The size (H, W) of the first picture that there is; None without one."""
    shown = config.first or config.last
    return None if shown is None else picture_facts(shown)[0]


@dataclass(frozen=True)
class Ends:
    """Pictures, and which frames they are.

    Attributes:
        at: the indices of these frames
        pictures: at the size that is worked at
        shape: of all latents
    """

    at: tuple[int, ...]
    pictures: tuple[ReadPicture, ...]
    shape: Shape

    @classmethod
    def of(cls, config: GenerateConfig, shape: Shape, size: Size) -> Ends | None:
        """Those that settings name, for latents of a ``shape`` and frames of a ``size`` (H, W); None where they name
        none.

        Raises:
            ConfigError: for a clip with too few frames
            MediaError: for a picture of other proportions
        """
        named = {index: each for index, each in ((0, config.first), (shape[0] - 1, config.last)) if each is not None}
        if not named:
            return None
        if config.last is not None and shape[0] < 2:
            raise ConfigError("last: a clip that ends with a picture has 2 frames or more; take more --frames.")
        for each in named.values():
            height, width = picture_facts(each)[0]
            if abs(width * size[0] / (height * size[1]) - 1) > max(STRETCHED, 8 / min(size)):
                raise MediaError(
                    f"{each} is {width}x{height}, and the clip is to be {size[1]}x{size[0]}; expected --width and "
                    "--height of its proportions, or neither."
                )
        return cls(tuple(named), tuple(ReadPicture(File.of(each), size) for each in named.values()), shape)

    def latents(self, model: Model) -> EncodeEnds:
        """Those of the pictures, in their frames."""
        return EncodeEnds(self.pictures, self.at, self.shape, model)

    def until(self) -> HoldEnds:
        """Where sampling is held to them."""
        return HoldEnds(self.at, self.shape)
