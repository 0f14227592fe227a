"""The image tower of a CLIP, through which IP-Adapters look at pictures (Radford et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from vedit.backbone import checkpoints, model_files, schemas
from vedit.backbone.loading import for_inference
from vedit.backbone.meta_device import MetaParameters
from vedit.backbone.model import Backbone
from vedit.errors import WeightsError

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the colours of CLIP's training pictures: every published image tower is shown pictures less these."""

TEXT_TOWER = "text_projection.safetensors"
"""Beside the weights of an image tower: its text tower, where that is a projection over a model's own text encoder."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What an image tower makes of B pictures.

    Attributes:
        pooled: (B, W) embeddings, in the space that a text tower shares
        states: (B, P, W') of the layer before the last, of the whole and of each patch
    """

    pooled: Tensor
    states: Tensor


class ImageEncoder:
    """A CLIP's image tower, ready to look."""

    def __init__(self, net: CLIPVisionModelWithProjection) -> None:
        self.net = net

    @property
    def side(self) -> int:
        """Pixels of a side of the pictures that it looks at."""
        return int(self.net.config.image_size)

    @torch.no_grad()
    def look(self, pixels: Tensor) -> Seen:
        """What it makes of pictures (B, 3, side, side) as ``shown`` makes them, in float32 on the CPU."""
        own = self.net.visual_projection.weight
        found = self.net(pixels.to(own.device, own.dtype), output_hidden_states=True)
        return Seen(found.image_embeds.float().cpu(), found.hidden_states[-2].float().cpu())

    def look_at_none(self) -> Seen:
        """What stands for no picture (B = 1): embeddings of zero, and the states of a picture that is zero once
        normalised. Adapters are trained to take these for it."""
        seen = self.look(torch.zeros(1, 3, self.side, self.side))
        return Seen(torch.zeros_like(seen.pooled), seen.states)


def shown(pictures: Tensor, side: int) -> Tensor:
    """Pictures (B, 3, H, W) in [0, 1] as an image tower is shown them (B, 3, side, side): whole, resized to a square
    rather than cropped, so that nothing at their edges is lost; and normalised."""
    square = pictures
    if pictures.shape[-2:] != (side, side):
        square = F.interpolate(pictures, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    mean, deviation = (torch.tensor(each, device=square.device).view(3, 1, 1) for each in (MEAN, DEVIATION))
    return (square - mean) / deviation


def weights_of(folder: Path) -> Path:
    """The weights of the image tower in a folder. Raises WeightsError where there are none."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(
        f"no image encoder in '{folder}': expected config.json and model.safetensors of a CLIP (transformers' layout)."
    )


@model_files.reading_weights()
def load_image_encoder(folder: Path, device: torch.device, dtype: torch.dtype) -> ImageEncoder:
    """The image tower in a folder: one alone (CLIPVisionModelWithProjection), or that of a whole CLIP.

    Raises WeightsError for what is missing, damaged, or none.
    """
    file = weights_of(folder)
    net = empty_image_encoder(folder)
    tensors = checkpoints.read_tensors(file, ("vision_model.", "visual_projection."))
    tensors.pop("vision_model.embeddings.position_ids", None)  # a buffer that early files hold
    checkpoints.fill(net, {name: tensor.float() for name, tensor in tensors.items()}, "image encoder")
    return ImageEncoder(for_inference(net, device, dtype))


def empty_image_encoder(folder: Path) -> CLIPVisionModelWithProjection:
    """The image tower of a folder, without its weights. Raises WeightsError."""
    path = folder / "config.json"
    config = checkpoints.read_config(path)
    own = config.get("vision_config", config)
    if config.get("model_type") not in ("clip", "clip_vision_model") or not isinstance(own, dict):
        raise WeightsError(
            f"'{path}' is of a {config.get('model_type', 'model')!s:.40}; expected a CLIP's image tower."
        )
    if own is not config and "projection_dim" in config:
        own = {**own, "projection_dim": config["projection_dim"]}
    settings = schemas.checked(schemas.Vision, own, f"'{path}'")
    side, patch = (
        settings.get(name, schemas.Vision.model_fields[name].default) for name in ("image_size", "patch_size")
    )
    if side < patch:
        raise WeightsError(f"'{path}': the patches, of {patch} pixels, are larger than the pictures, of {side}.")
    try:
        with MetaParameters():
            return CLIPVisionModelWithProjection(CLIPVisionConfig(**settings))
    except Exception as error:  # what does not go together, the classes meet with whatever it leads to
        raise WeightsError(f"'{path}' cannot be built: {error}") from error


@torch.no_grad()
def caption_embeddings(backbone: Backbone, folder: Path, captions: list[str]) -> Tensor | None:
    """Captions in the space of the image tower in a folder, (B, W) of length 1; None where it has no text tower that
    reads this model's words.

    Raises WeightsError for a text tower that is damaged or of another model.
    """
    file = folder / TEXT_TOWER
    if not file.is_file():
        return None
    tensors = checkpoints.read_tensors(file)
    weight = tensors.get("text_projection.weight")
    width = backbone.unet.config.cross_attention_dim
    if weight is None or weight.ndim != 2 or weight.shape[1] != width:
        raise WeightsError(f"'{file}' is no text tower over this model's text encoder, of {width} numbers.")
    return F.normalize(pooled_words(backbone, captions) @ weight.float().T, dim=-1)


@torch.no_grad()
def pooled_words(backbone: Backbone, captions: list[str]) -> Tensor:
    """What the text encoder says of whole captions (B, D), at the first end of each; float32 on the CPU."""
    tokens = backbone.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
    states = backbone.text_encoder(tokens.to(backbone.device)).last_hidden_state.float().cpu()
    end = (tokens == backbone.tokenizer.eos_token_id).int().argmax(dim=-1)  # the first one
    return states[torch.arange(len(states)), end]
