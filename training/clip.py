"""A small CLIP over a model's own text encoder (Radford et al. 2021): ``torchrun --nproc-per-node 2 -m training.clip``.

Its image tower is a ViT in transformers' layout, which IP-Adapters look through; its text tower is one projection of
what the model's frozen text encoder says at a caption's end, so that both read the same words. In the world's batches
half of the pictures and captions differ from a neighbour in one thing alone: told apart from others by colour and
ground, shapes would never be learnt. ``--pictures FOLDER`` learns from pictures of your own, each with its caption in a
.txt of its name, for any Stable Diffusion.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from training.loop import Recipe, in_bfloat16, in_parallel, ship, start_workers, train
from training.pictures import captioned, contrasted
from training.presets import WORKSHOP
from vedit.adapters.image_files import ENCODER
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.image_encoder import TEXT_TOWER, pooled_words, shown
from vedit.clip.images import read_picture

SIDE, PATCH = 64, 8
"""Pixels of a side of what the image tower is shown, and of its patches."""

WIDTH, LAYERS, HEADS = 112, 5, 4
"""Of the image tower: 0.8 M weights."""

TOGETHER = 32
"""Pairs that one process draws at a time."""

WARMEST = 100.0
"""Most that the cosines of a batch are scaled by (Radford et al. 2021, section 2.5)."""


class Towers(nn.Module):
    """What learns: the image tower, and the projection that is the text tower."""

    def __init__(self, image: CLIPVisionModelWithProjection, text_width: int) -> None:
        super().__init__()
        self.image = image
        self.text_projection = nn.Linear(text_width, image.config.projection_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def alike(self, pixels: Tensor, words: Tensor) -> Tensor:
        """The scaled cosines (B, B) of pictures (B, 3, side, side) with pooled captions (B, D)."""
        seen = F.normalize(self.image(pixels).image_embeds.float(), dim=-1)
        read = F.normalize(self.text_projection(words).float(), dim=-1)
        with torch.autocast(seen.device.type, enabled=False):  # the cosines of neighbours are nearly alike
            return self.logit_scale.exp().clamp(max=WARMEST) * seen @ read.T


@dataclass(frozen=True)
class Captioned:
    """N pictures and their captions.

    Attributes:
        pixels: (N, 3, side, side), uint8; the whole picture as a square
        words: (N, D) what the text encoder says of each caption
        captions: (N,) numbers, alike for the same words
        neighbours: whether pictures 2i and 2i + 1 differ in one thing alone, and so are learnt from together
    """

    pixels: Tensor
    words: Tensor
    captions: Tensor
    neighbours: bool

    def batch(self, size: int, generator: torch.Generator) -> Tensor:
        """The numbers (B,) of some pictures, each at most once."""
        count = len(self.pixels)
        if not self.neighbours:
            return torch.randperm(count, generator=generator)[:size]
        first = 2 * torch.randperm(count // 2, generator=generator)[: size // 2]
        return torch.stack([first, first + 1], dim=1).flatten()


def build(side: int = SIDE, patch: int = PATCH, width: int = WIDTH) -> CLIPVisionModelWithProjection:
    """An image tower of random weights."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=width, intermediate_size=4 * width, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            image_size=side, patch_size=patch, projection_dim=width,
        )
    )  # fmt: skip


def square(pictures: Tensor, side: int) -> Tensor:
    """Whole pictures (B, 3, H, W), uint8, at the size of the image tower."""
    if pictures.shape[-2:] == (side, side):
        return pictures
    small = F.interpolate(pictures.float(), (side, side), mode="bicubic", antialias=True, align_corners=False)
    return small.round().clamp(0, 255).byte()


def read_words(backbone: Backbone, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """What the text encoder says of each caption (N, D), and numbers (N,) that are alike for the same caption."""
    once = sorted(set(captions))
    found = torch.cat([pooled_words(backbone, once[begin : begin + 256]) for begin in range(0, len(once), 256)])
    number = {caption: index for index, caption in enumerate(once)}
    numbers = torch.tensor([number[caption] for caption in captions])
    return found[numbers], numbers


def of_world(count: int, side: int, backbone: Backbone) -> Captioned:
    """So many pairs of neighbours, drawn by a process for each core."""
    pixels, captions = [], list[str]()
    for frames, told in in_parallel(partial(contrasted, count=TOGETHER), range(count // TOGETHER)):
        pixels.append(square(torch.from_numpy(frames), side))
        captions += told
    return Captioned(torch.cat(pixels), *read_words(backbone, captions), neighbours=True)


def of_folder(folder: Path, side: int, backbone: Backbone) -> Captioned:
    """The pictures of a folder that have captions."""
    pairs = captioned(folder)
    whole = [(read_picture(path)[None] * 255).round().byte() for path, _ in pairs]
    pixels = torch.cat([square(each, side) for each in whole])
    return Captioned(pixels, *read_words(backbone, [caption for _, caption in pairs]), neighbours=False)


def loss_of(alike: Tensor, captions: Tensor) -> Tensor:
    """The contrastive loss of scaled cosines (B, B), both ways. Others in the batch with the same caption (B,) are
    neither right nor wrong.

    Source: Radford et al. 2021, figure 3.
    """
    same = captions[:, None] == captions[None]
    doubtful = same & ~torch.eye(len(alike), dtype=torch.bool, device=alike.device)
    clear = alike.masked_fill(doubtful, -torch.inf)
    own = torch.arange(len(alike), device=alike.device)
    return (F.cross_entropy(clear, own) + F.cross_entropy(clear.T, own)) / 2


def learn(towers: Towers, pictures: Captioned, recipe: Recipe, batch: int, out: Path) -> None:
    """Teach both towers."""
    device = towers.logit_scale.device
    held = Captioned(
        pictures.pixels.to(device), pictures.words.to(device), pictures.captions.to(device), pictures.neighbours
    )
    side = int(towers.image.config.image_size)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        chosen = held.batch(batch, generator).to(device)
        pixels = shown(held.pixels[chosen].float() / 255, side)
        with in_bfloat16(device):
            alike = towers.alike(pixels, held.words[chosen])
        return loss_of(alike.float(), held.captions[chosen])

    train(towers, loss, recipe, out / "clip.pt")


@torch.no_grad()
def flipped(towers: Towers, pictures: Captioned) -> float:
    """Of neighbours, the share whose caption is nearer to its own picture than that of the other, and the other way
    round: each differs in one thing, so chance is a quarter."""
    side = int(towers.image.config.image_size)
    right = []
    for begin in range(0, len(pictures.pixels), 2):
        pair = slice(begin, begin + 2)
        alike = towers.alike(shown(pictures.pixels[pair].float() / 255, side), pictures.words[pair])
        right.append(bool(alike[0, 0] > alike[0, 1]) and bool(alike[1, 1] > alike[1, 0]))
    return float(np.mean(right))


def save(towers: Towers, folder: Path) -> None:
    """Write both towers into the folder of an image encoder, in half precision."""
    ship(towers.image, folder)
    if not dist.is_initialized() or dist.get_rank() == 0:
        weight = towers.text_projection.weight.detach().half().cpu().contiguous()
        save_file({"text_projection.weight": weight}, folder / TEXT_TOWER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(WORKSHOP), help="a Stable Diffusion: a folder, a file or a hub id")
    parser.add_argument("--pictures", type=Path, help="folder of pictures, each with its caption in a .txt of its name")
    parser.add_argument("--encoder", type=Path, help=f"folder to write; by default {ENCODER} in the model's")
    parser.add_argument("--out", type=Path, default=Path("runs/clip"), help="folder of the checkpoint")
    parser.add_argument("--pairs", type=int, default=16_384, help="of the world's pictures, drawn once")
    parser.add_argument("--side", type=int, default=SIDE, help="of the pictures that it is shown, in pixels")
    parser.add_argument("--patch", type=int, default=PATCH, help="of their patches, in pixels")
    parser.add_argument("--width", type=int, default=WIDTH, help="of its layers and its embeddings")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--minutes", type=float, help="instead of the steps")
    parser.add_argument("--batch", type=int, default=256, help="pictures at once, for each worker")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    arguments = parser.parse_args()
    _, _, device = start_workers()
    backbone = load_backbone(arguments.model, device=device, dtype="float32")
    side = arguments.side
    if arguments.pictures is None:
        pictures = of_world(arguments.pairs, side, backbone)
    else:
        pictures = of_folder(arguments.pictures, side, backbone)
    torch.manual_seed(0)
    width = backbone.unet.config.cross_attention_dim
    towers = Towers(build(side, arguments.patch, arguments.width), width).to(device).train()
    recipe = Recipe(arguments.steps, arguments.learning_rate, minutes=arguments.minutes, weight_decay=0.1)
    learn(towers, pictures, recipe, arguments.batch, arguments.out)
    if pictures.neighbours:
        some = Captioned(
            *(each[:512].to(device) for each in (pictures.pixels, pictures.words, pictures.captions)), True
        )
        print(
            f"told apart from its neighbour: {flipped(towers.eval(), some):.1%} of pairs it has learnt from", flush=True
        )
    save(towers, arguments.encoder or Path(arguments.model) / ENCODER)


if __name__ == "__main__":
    main()
