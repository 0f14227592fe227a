"""Pictures whose look is taken: what the image encoder makes of them, and the conditions that they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from vedit.adapters.image_files import ImageFiles
from vedit.adapters.ip_adapter import IPAdapter, chosen_layers
from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.clip.images import read_picture
from vedit.clip.sizes import resize
from vedit.condition import Condition
from vedit.config import ClipSettings
from vedit.entrances.image_tokens import ImageTokens
from vedit.errors import WeightsError
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.masks import read_mask
from vedit.session import Model, Session, within_memory


@dataclass(frozen=True)
class ImageWeights:
    """An IP-Adapter and its image encoder as results depend on them.

    Attributes:
        adapter, encoder: name what they hold; where they have to be fetched first, what they are called
        names: the settings that find them
    """

    adapter: str
    encoder: str
    names: tuple[str | None, str | None] = field(compare=False)

    @classmethod
    def of(cls, adapter: str | None, encoder: str | None, model: Model) -> ImageWeights:
        """Those that settings name. Nothing is fetched. Raises WeightsError for what there is not."""
        from vedit.backbone.image_encoder import weights_of  # with transformers, which takes seconds to import

        files = ImageFiles.of(adapter, encoder, model.outline, fetch=False)
        if files is None:
            return cls(str(adapter), encoder or f"beside {adapter}", (adapter, encoder))
        if not files.adapter.is_file():
            raise WeightsError(f"the IP-Adapter '{files.adapter}' is not there; put it back, or name --image-adapter.")
        held = File.of(files.adapter).digest, File.of(weights_of(files.encoder)).digest
        return cls(*held, (adapter, encoder))

    def files(self, backbone: Backbone) -> ImageFiles:
        """Where they are, fetched from the hub if need be. Raises WeightsError."""
        found = ImageFiles.of(*self.names, backbone)
        assert found is not None
        return found


@dataclass(frozen=True, eq=False)
class SeenPictures:
    """What the image encoder makes of B pictures, as ``Seen``, and of no picture, which is the last row of both."""

    pooled: Tensor
    states: Tensor


@dataclass(frozen=True)
class EncodePictures(Stage[SeenPictures]):
    """What the image encoder makes of pictures, each looked at whole.

    Attributes:
        pictures: their files
        encoder: names its weights
        weights: with it, where it lies
    """

    pictures: tuple[File, ...]
    encoder: str
    weights: ImageWeights = field(compare=False)
    model: Model

    title: ClassVar[str] = "looking at pictures"
    kept: ClassVar[bool] = True

    def make(self, session: Session) -> SeenPictures:
        from vedit.backbone.image_encoder import load_image_encoder, shown

        backbone = session.plain(self.model)
        with within_memory():
            encoder = load_image_encoder(self.weights.files(backbone).encoder, backbone.device, backbone.dtype)
            seen = [encoder.look(shown(read_picture(each.path)[None], encoder.side)) for each in self.pictures]
            seen.append(encoder.look_at_none())
        return SeenPictures(torch.cat([each.pooled for each in seen]), torch.cat([each.states for each in seen]))

    def pack(self, result: SeenPictures) -> Mapping[str, Tensor]:
        return {"pooled": result.pooled, "states": result.states}

    def unpack(self, tensors: Mapping[str, Tensor]) -> SeenPictures:
        return SeenPictures(tensors["pooled"], tensors["states"])


@dataclass(frozen=True)
class Show:
    """Pictures that follow each other, at most one in each frame, and how they act.

    Attributes:
        which: (F,) for each frame the index of its picture, or -1
        weights: (F,) how much it counts
        layers: "all", "style", "layout", or numbers
        mask: white where they act
        start, stop: the window of the steps
        led_away_from: whether guidance leads away from their look
    """

    which: tuple[int, ...]
    weights: tuple[float, ...]
    layers: str | tuple[int, ...]
    mask: File | None
    start: float
    stop: float
    led_away_from: bool = False


@dataclass(frozen=True)
class ShowPictures(Stage[tuple[Condition, ...]]):
    """Conditions by which frames take over the look of pictures.

    Where nothing is shown to be led away from, what is shown in that branch is no picture, as in the adapter's
    training.

    Attributes:
        seen: the pictures
        canvas: a clip of the frames and the size that are worked on, for masks; None where there are none
        adapter: names the IP-Adapter's weights
        weights: where it lies
    """

    seen: EncodePictures
    canvas: Stage[Clip] | None
    shows: tuple[Show, ...]
    adapter: str
    weights: ImageWeights = field(compare=False)
    model: Model

    title: ClassVar[str] = "looking at pictures"

    def make(self, session: Session, seen: SeenPictures, canvas: Clip | None) -> tuple[Condition, ...]:
        backbone = session.plain(self.model)
        adapter = IPAdapter.read(self.weights.files(backbone).adapter)
        adapter.check(backbone)
        tokens = adapter.tokens(seen.pooled, seen.states).to(backbone.device)  # (B + 1, T, D)
        plain = not any(each.led_away_from for each in self.shows)
        return tuple(self._condition(each, adapter, tokens, backbone, canvas, plain=plain) for each in self.shows)

    def _condition(
        self, show: Show, adapter: IPAdapter, tokens: Tensor, backbone: Backbone, canvas: Clip | None, *, plain: bool
    ) -> Condition:
        which = torch.tensor(show.which)
        entrance = ImageTokens(
            tokens[which],
            negative=tokens[torch.full_like(which, -1)] if plain else None,
            keys_and_values=adapter.keys_and_values(chosen_layers(backbone.unet, show.layers)),
            mask=_mask(show.mask.path, canvas, backbone.vae_scale_factor) if show.mask and canvas else None,
            led_away_from=show.led_away_from,
        )
        strength = torch.tensor(show.weights) * (which >= 0)
        return Condition(entrance, strength, show.start, show.stop, adapter)


def _mask(path: Path, canvas: Clip, cell: int) -> Tensor:
    """A painted mask on latents (F, 1, h, w), each the mean of its ``cell`` pixels. Raises MediaError."""
    frames, (height, width) = len(canvas), canvas.size
    painted = read_mask(path, ClipSettings(clip=path), frames, frames, canvas.size)
    return resize(painted, (height // cell, width // cell)).expand(frames, -1, -1, -1)
