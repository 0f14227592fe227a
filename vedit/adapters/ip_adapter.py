"""IP-Adapter: a picture's tokens, and the keys and values that each cross-attention layer makes of them.

Source: Ye et al. 2023. Files of the original code and of diffusers, of every kind that looks through CLIP.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from vedit.adapters.base import Attachable, Undo, undone_on_error
from vedit.adapters.image_projections import KINDS, ImageProjection, projection_of
from vedit.attention.context import KeysAndValues
from vedit.backbone import checkpoints, model_files
from vedit.backbone.model import Backbone
from vedit.backbone.temporal import transformer_blocks
from vedit.errors import ConfigError, WeightsError
from vedit.files import file_digest

if TYPE_CHECKING:
    from diffusers.models.attention_processor import Attention

_NUMBERED = re.compile(r"(\d{1,3})\.to_([kv])_ip\.weight")
_NAMED = re.compile(r"(.+)\.attn2\.processor\.to_([kv])_ip(?:\.0)?\.weight")
"""The projections of a layer, as the original code numbers them, and as diffusers names them."""

_OWN = "encoder_hid_proj."
_DIFFUSERS = {
    r"^image_embeds\.": "proj.",
    r"^ff\.net\.0\.proj\.": "proj.0.",
    r"^ff\.net\.2\.": "proj.2.",
    r"^layers\.(\d+)\.ln0\.": r"layers.\1.0.norm1.",
    r"^layers\.(\d+)\.ln1\.": r"layers.\1.0.norm2.",
    r"^layers\.(\d+)\.attn\.to_out\.0\.": r"layers.\1.0.to_out.",
    r"^layers\.(\d+)\.attn\.": r"layers.\1.0.",
    r"^layers\.(\d+)\.ff\.0\.": r"layers.\1.1.0.",
    r"^layers\.(\d+)\.ff\.1\.net\.0\.proj\.": r"layers.\1.1.1.",
    r"^layers\.(\d+)\.ff\.1\.net\.2\.": r"layers.\1.1.3.",
}
"""The names that diffusers gives to what the original's projections have."""


class LayerProjections(nn.Module):
    """The keys and values that one cross-attention layer makes of a picture's tokens."""

    def __init__(self, number: int, to_k: Tensor, to_v: Tensor) -> None:
        """
        Args:
            number: of the layer: down, up and middle, from 0
            to_k, to_v: (C, D)
        """
        super().__init__()
        self.number = number
        self.to_k = nn.Parameter(to_k, requires_grad=False)
        self.to_v = nn.Parameter(to_v, requires_grad=False)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) to two of (B, T, C)."""
        return tokens @ self.to_k.T, tokens @ self.to_v.T


@dataclass(frozen=True, eq=False)
class IPAdapter(Attachable):
    """An IP-Adapter as read. On a model it changes nothing but for a request that has tokens of it.

    Attributes:
        projection: makes tokens of what the image encoder sees
        layers: (to_k, to_v), both (C, D), of each cross-attention layer: down, up, and the middle last
        name: of its file
        digest: of its bytes
    """

    projection: ImageProjection
    layers: tuple[tuple[Tensor, Tensor], ...] = field(repr=False)
    name: str
    digest: str

    @classmethod
    @model_files.reading_weights()
    def read(cls, path: Path) -> IPAdapter:
        """From a file of the original code (.bin, .safetensors), or one of diffusers' with the names of a UNet.

        Raises WeightsError for what is missing, damaged, of another kind (with those that are known), or no
        IP-Adapter. A pickle that holds more than tensors is refused, and none of it is run.
        """
        if not path.is_file():
            raise WeightsError(f"the IP-Adapter '{path}' is no file; expected .safetensors or .bin.")
        seen, layers = _split(checkpoints.read_tensors(path), path.name)
        projection = projection_of(seen, path.name)  # first, since it tells the kind
        return cls(projection, _layers(layers, path.name), path.name, file_digest(path).hex())

    @torch.no_grad()
    def tokens(self, pooled: Tensor, states: Tensor) -> Tensor:
        """The tokens (B, T, D) of B pictures, of what the image encoder makes of them.

        Args:
            pooled: (B, W) its embeddings
            states: (B, P, W') of its layer before the last

        Raises:
            WeightsError: for those of another encoder
        """
        given = pooled if self.projection.pooled else states
        if given.shape[-1] != self.projection.width:
            raise WeightsError(
                f"the IP-Adapter '{self.name}' looks through an image encoder of {self.projection.width} numbers, this "
                f"one has {given.shape[-1]}: name the one that it was trained with, --image-encoder."
            )
        own = next(self.projection.parameters())
        return cast(Tensor, self.projection(given.to(own)))

    def keys_and_values(self, layers: Collection[int]) -> KeysAndValues:
        """What the layers of these numbers make of its tokens, while it is on the model; others do not look at
        them."""

        def made(layer: Attention, tokens: Tensor) -> tuple[Tensor, Tensor] | None:
            own: LayerProjections = layer.get_submodule(self._place)
            return own(tokens) if own.number in layers else None

        return made

    @property
    def _place(self) -> str:
        return f"ip_adapter_{self.digest[:16]}"

    def put_on(self, backbone: Backbone) -> Undo:
        """Give each cross-attention layer its projections. No effect where they are there already.

        Raises WeightsError where the adapter was made for another layout of the UNet.
        """
        targets = list(cross_attention(backbone.unet).values())
        self.check(backbone)
        if hasattr(targets[0], self._place):
            return lambda: None
        identity = backbone.identity

        def undo() -> None:
            backbone.identity = identity
            for target in targets:
                if hasattr(target, self._place):
                    delattr(target, self._place)

        with undone_on_error(undo):
            for number, (target, (to_k, to_v)) in enumerate(zip(targets, self.layers, strict=True)):
                own = [each.to(backbone.device, backbone.dtype) for each in (to_k, to_v)]
                target.add_module(self._place, LayerProjections(number, *own))
            backbone.identity = identity.remarked(f"ip adapter {self.digest}")
        return undo

    def check(self, backbone: Backbone) -> None:
        """Raise WeightsError where the adapter was made for another layout of the UNet."""
        targets = cross_attention(backbone.unet)
        ours = [tuple(target.to_k.weight.shape) for target in targets.values()]
        theirs = [tuple(to_k.shape) for to_k, _ in self.layers]
        if self.projection.token_width != backbone.unet.config.cross_attention_dim:
            raise WeightsError(
                f"the IP-Adapter '{self.name}' makes tokens of {self.projection.token_width} numbers, this model's "
                f"have {backbone.unet.config.cross_attention_dim}: it was made for another family of models."
            )
        if ours != theirs:
            raise WeightsError(
                f"the IP-Adapter '{self.name}' is for {len(theirs)} layers, this model has {len(ours)}"
                + ("" if len(ours) != len(theirs) else ", of other widths")
                + ": it was made for another layout."
            )


def cross_attention(unet: nn.Module) -> dict[str, Attention]:
    """The spatial cross-attention layers of a UNet by their names, in the order in which IP-Adapters number them: down,
    up, and the middle last. Attached motion modules and temporal attention do not count."""
    own = {id(block): block for block in transformer_blocks(unet)}
    named = {name: own[id(module)].attn2 for name, module in unet.named_modules() if id(module) in own}
    return {name: named[name] for name in sorted(named, key=_order)}


def _order(name: str) -> tuple[int, tuple[int, ...]]:
    part = ("down_blocks", "up_blocks", "mid_block").index(name.split(".")[0])
    return part, tuple(int(each) for each in name.split(".") if each.isdigit())


def chosen_layers(unet: nn.Module, wanted: str | Collection[int]) -> frozenset[int]:
    """The numbers of layers that a picture acts in: "all", those that are given, or by InstantStyle's finding "style"
    (the middle one of the first block on the way up that has any) and "layout" (the last one on the way down).

    Source: InstantStyle, Wang et al. 2024, section 3.2.

    Raises ConfigError for a number that there is not.
    """
    places = [name.split(".") for name in cross_attention(unet)]
    if wanted == "all":
        return frozenset(range(len(places)))
    if wanted == "layout":
        return frozenset([max(number for number, place in enumerate(places) if place[0] == "down_blocks")])
    if wanted == "style":
        up = [(number, place[1]) for number, place in enumerate(places) if place[0] == "up_blocks"]
        first = [number for number, block in up if block == up[0][1]]
        return frozenset([first[len(first) // 2]])
    if over := sorted(number for number in wanted if not isinstance(number, int) or number >= len(places)):
        raise ConfigError(
            f"image: there is no layer {over[0]}; this model has {len(places)}, 0 to {len(places) - 1}: down, up, mid."
        )
    return frozenset(cast("Collection[int]", wanted))


def _split(tensors: Mapping[str, Tensor], name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of the projection under the original names, and those of the layers under the file's. Raises
    WeightsError."""
    projection = {
        key.removeprefix("image_proj."): each for key, each in tensors.items() if key.startswith("image_proj.")
    }
    layers = {key.removeprefix("ip_adapter."): each for key, each in tensors.items() if key.startswith("ip_adapter.")}
    if not (projection or layers):
        projection = _of_diffusers(tensors, name)
        layers = {key: each for key, each in tensors.items() if "_ip." in key}
    if not projection or not layers:
        raise WeightsError(
            f"'{name}' is no IP-Adapter: expected the tensors 'image_proj. ...' and 'ip_adapter. ...'; the kinds known "
            f"here are {', '.join(KINDS)}."
        )
    return projection, layers


def _layers(tensors: Mapping[str, Tensor], name: str) -> tuple[tuple[Tensor, Tensor], ...]:
    """The (to_k, to_v) of each layer, in order. Raises WeightsError."""
    sides: dict[tuple[int, tuple[int, ...]], dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        place: tuple[int, tuple[int, ...]] | None = None
        if numbered := _NUMBERED.fullmatch(key):
            place, side = (0, (int(numbered[1]),)), numbered[2]
        elif named := _NAMED.fullmatch(key):
            place, side = _named_order(named[1], name), named[2]
        if place is None or tensor.ndim != 2 or not tensor.is_floating_point():
            raise WeightsError(f"'{name}' has the tensor '{key:.80}', which is of no IP-Adapter known here.")
        sides.setdefault(place, {})[side] = tensor
    ordered = [sides[place] for place in sorted(sides)]
    numbers = [number for part, (number, *rest) in sorted(sides) if part == 0 and not rest]
    whole = all(len(each) == 2 and each["k"].shape == each["v"].shape for each in ordered)
    if not whole or (numbers and numbers != list(range(1, 2 * len(ordered), 2))):
        raise WeightsError(f"'{name}' lacks layers of an IP-Adapter: it is damaged, or of another kind.")
    return tuple((each["k"].float(), each["v"].float()) for each in ordered)


def _named_order(place: str, name: str) -> tuple[int, tuple[int, ...]]:
    try:
        return _order(place)
    except ValueError:
        raise WeightsError(f"'{name}' has the layer '{place:.80}', which is of no UNet known here.") from None


def _of_diffusers(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The projection's weights in diffusers' file, under the original names. Raises WeightsError."""
    own = {key.removeprefix(_OWN): each for key, each in tensors.items() if key.startswith(_OWN)}
    if any(key.startswith("image_projection_layers.1.") for key in own):
        raise WeightsError(f"'{name}' holds several IP-Adapters; save each in a file of its own.")
    found: dict[str, Tensor] = {}
    for key, tensor in own.items():
        plain = key.removeprefix("image_projection_layers.0.")
        for theirs, ours in _DIFFUSERS.items():
            plain = re.sub(theirs, ours, plain, count=1)
        found[plain] = tensor
    norm, last = found.get("norm.weight"), found.get("proj.2.weight")
    # Of a FaceID's they are of several tokens.
    if norm is not None and last is not None and norm.shape[:1] == last.shape[:1]:
        found = {re.sub(r"^norm\.", "proj.3.", key): each for key, each in found.items()}
    for key in [each for each in found if each.endswith(".to_k.weight")]:
        value = key.replace(".to_k.", ".to_v.")
        if value in found:
            halves = [found.pop(key), found.pop(value)]
            if any(each.ndim != 2 or each.shape[1] != halves[0].shape[-1] for each in halves):
                raise WeightsError(f"'{name}' is damaged: '{key:.80}' and what belongs to it are of unlike shapes.")
            found[key.replace(".to_k.", ".to_kv.")] = torch.cat(halves)
    return found
