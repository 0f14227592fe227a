"""An IP-Adapter of four tokens (Ye et al. 2023): ``torchrun --nproc-per-node 2 -m training.image_adapter``.

What learns is the projection of a picture's embeddings to tokens, and the keys and values that each cross-attention
layer makes of them, which begin as copies of those for text; the model and the image encoder are frozen. The picture
that is shown is never the one that is denoised: it is another of the same attributes, elsewhere, on another stretch of
ground, moving another way, so that its look is learnt and not its layout. ``--pictures FOLDER`` learns from pictures of
your own, each with its caption in a .txt of its name, for any Stable Diffusion and any CLIP: pictures of one caption
show each other's look; one that is alone shows its own, mirrored and cut.

Often no words are told, since a picture is often all that is said. What is right is then not the noise that was drawn
but what the frozen model predicts with words for the picture, a steadier target, which shows what they would have
decided. Others are told words that say something else than the picture, which counts double there: what is right is
what the frozen model predicts with the right words. So the weight decides between the two. Errors count as they do in
``training.diffusion``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn

import world
from training.captions import sentence
from training.data import FRAMES, draw_any
from training.loop import Recipe, in_bfloat16, in_parallel, normal, note, start_workers, train
from training.pictures import Bytes, another, captioned, frame, seen
from training.presets import WORKSHOP
from vedit.adapters.image_files import ENCODER
from vedit.adapters.image_projections import Pooled
from vedit.adapters.ip_adapter import IPAdapter, LayerProjections, cross_attention
from vedit.adapters.loading import load_backbone
from vedit.attention.context import TokensApart
from vedit.backbone import Backbone
from vedit.backbone.image_encoder import ImageEncoder, load_image_encoder, shown
from vedit.backbone.sizes import native_side
from vedit.clip.images import read_picture
from vedit.clip.sizes import fit_size, resize
from vedit.schedule import Levels, alpha_bar

OWN = "ip_adapter.safetensors"
"""The adapter's file in the model's folder."""

TOKENS = 4
NO_PICTURE, NO_WORDS, NEITHER = 0.05, 0.4, 0.05
"""Shares of the pictures denoised that are shown none, told no words, and neither; each 0.05 in the original."""

CONTRADICTED, CONTRADICTED_SCALE = 0.25, 2.0
"""Share that is told words which say something else, and how much the picture shown counts there; 1 elsewhere."""

GAMMA, HEAVIEST = 5.0, 20.0
"""Most that an error counts, as one of the latents and as one of epsilon (Hang et al. 2023, eq. 8)."""

VARIETY = 0.5
"""Share of the scenes that have weather, another look or a second object."""

PERSONS = 0.3
"""Share of the scenes that are of a person, whose limbs are learnt last, beside those that are so by chance."""

TOGETHER = 32
"""Scenes that one process draws at a time."""

TELLINGS = 4
"""How often the words for a scene are drawn."""

REFERENCES = 2
"""Pictures of the same attributes that are drawn for each scene."""

CUTS = 4
"""How often a picture that is alone of its caption is mirrored and cut, to show its own look."""

LEAST_CUT = 0.6
"""Share of a picture's sides that a cut has at the least."""


class Learner(nn.Module):
    """What learns, as an IP-Adapter of the kind "base"."""

    def __init__(self, backbone: Backbone, width: int) -> None:
        """``width``: of the image encoder's embeddings."""
        super().__init__()
        layers = cross_attention(backbone.unet).values()
        self.projection = Pooled(width, backbone.unet.config.cross_attention_dim, TOKENS)
        self.layers = nn.ModuleList(
            LayerProjections(
                number, layer.to_k.weight.detach().clone().float(), layer.to_v.weight.detach().clone().float()
            )
            for number, layer in enumerate(layers)
        )
        self.requires_grad_(True)
        self._of = {id(layer): own for layer, own in zip(layers, self.layers, strict=True)}

    def begin_with(self, adapter: IPAdapter) -> None:
        """Take over what an adapter of the same sizes has learnt."""
        self.projection.load_state_dict(adapter.projection.state_dict())
        with torch.no_grad():
            for own, (to_k, to_v) in zip(self.layers, adapter.layers, strict=True):
                own.to_k.copy_(to_k)
                own.to_v.copy_(to_v)

    def apart(self, pooled: Tensor, scale: Tensor) -> TokensApart:
        """The tokens of pictures' embeddings (B, W), one picture for each branch, of one frame, and how much each
        counts (B,)."""
        tokens = self.projection(pooled)[:, None]  # (B, 1, T, D)
        return TokensApart(tokens, scale[:, None].to(tokens), lambda layer, each: self._of[id(layer)](each))

    def tensors(self) -> dict[str, Tensor]:
        """Under the names of the original's files, in half precision."""
        named = {f"image_proj.{name}": each for name, each in self.projection.state_dict().items()}
        for number, layer in enumerate(self.layers):
            named |= {
                f"ip_adapter.{2 * number + 1}.{name}_ip.weight": each for name, each in layer.state_dict().items()
            }
        return {name: each.detach().half().cpu().contiguous() for name, each in named.items()}


@dataclass(frozen=True)
class Examples:
    """N pictures to be denoised, each with what may be told and shown of it.

    Attributes:
        latents: (N, 4, h, w), scaled, in half precision
        words: (N, K) numbers of captions in ``states``
        right: (N,) number of one that says what can be seen
        wrong: (N, 2) numbers of one that says something else, and of the same put right
        states: (C, T, D) what the text encoder says of each caption; the last one is of no words
        looks: (N, R) numbers of embeddings in ``pooled``
        pooled: (P, W) of pictures that show the same look
    """

    latents: Tensor
    words: Tensor
    right: Tensor
    wrong: Tensor
    states: Tensor
    looks: Tensor
    pooled: Tensor

    def to(self, device: torch.device) -> Examples:
        return Examples(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def elsewhere(scene: world.Scene, number: int) -> world.Scene:
    """A scene of the same attributes: the same shapes and colours on the same ground, in the same weather and look, and
    all else drawn anew."""
    other = draw_scene_of(len(scene.objects), number)
    things = tuple(
        replace(there, shape=own.shape, colour=own.colour, tilt=0.0 if own.shape == "person" else there.tilt)
        for there, own in zip(other.objects, scene.objects, strict=True)
    )
    return replace(
        other, objects=things, background=scene.background, weather=scene.weather, intensity=scene.intensity,
        look=scene.look,
    )  # fmt: skip


def draw_scene_of(objects: int, number: int) -> world.Scene:
    """A training scene of so many objects."""
    return world.sample_clip(number, frames=FRAMES, objects=objects)


def drawn(seed: int, count: int) -> tuple[Bytes, Bytes, list[str]]:
    """``count`` frames (n, 3, H, W), for each ``REFERENCES`` of the same attributes (n R, 3, H, W), and its captions
    (n (K + 3),): ``TELLINGS`` as they may be told, what can be seen, and a wrong one with the same put right."""
    chance = np.random.default_rng([32, seed])
    frames, looks, captions = [], [], list[str]()
    for _ in range(count):
        shapes = ("person",) if chance.random() < PERSONS else world.SHAPES
        number, scene = draw_any(chance, VARIETY, shapes)
        frames.append(frame(scene, number % FRAMES))
        for _ in range(REFERENCES):
            other = int(chance.integers(2**40))
            looks.append(frame(elsewhere(scene, other), other % FRAMES))
        captions += [sentence(scene, chance) for _ in range(TELLINGS)]
        captions += [seen(scene), another(scene, chance).caption, scene.caption]
    return np.stack(frames), np.stack(looks), captions


def of_world(count: int, backbone: Backbone, eyes: ImageEncoder) -> Examples:
    """So many scenes, drawn by a process for each core."""
    latents, pooled, captions = [], [], list[str]()
    for frames, looks, told in in_parallel(partial(drawn, count=TOGETHER), range(count // TOGETHER)):
        latents.append(encoded(backbone, torch.from_numpy(frames)))
        pooled.append(eyes.look(shown(torch.from_numpy(looks).float() / 255, eyes.side)).pooled)
        captions += told
    looks_of = torch.arange(sum(map(len, pooled))).view(-1, REFERENCES)
    numbers, states = read_captions(backbone, captions)
    words, right, wrong = numbers.view(-1, TELLINGS + 3).split([TELLINGS, 1, 2], dim=1)
    return Examples(torch.cat(latents), words, right[:, 0], wrong, states, looks_of, torch.cat(pooled))


def of_folder(folder: Path, backbone: Backbone, eyes: ImageEncoder) -> Examples:
    """The pictures of a folder that have captions, all brought to the first one's working size."""
    pairs = captioned(folder)
    alike: dict[str, list[int]] = defaultdict(list)
    for index, (_, caption) in enumerate(pairs):
        alike[caption].append(index)
    latents, pooled, looks = [], [], list[list[int]]()
    size = None
    generator = torch.Generator().manual_seed(0)
    own: dict[int, int] = {}
    for index, (path, caption) in enumerate(pairs):
        picture = read_picture(path)
        side = native_side(backbone.unet.config, backbone.vae_scale_factor) or 512
        size = size or fit_size((picture.shape[1], picture.shape[2]), side, multiple=backbone.vae_scale_factor)
        latents.append(backbone.encode(resize(picture[None], size)).half().cpu())
        views = [picture] if len(alike[caption]) > 1 else [cut(picture, generator) for _ in range(CUTS)]
        own[index] = sum(map(len, pooled))
        pooled += [eyes.look(shown(each[None], eyes.side)).pooled for each in views]
    for index, (_, caption) in enumerate(pairs):
        others = [own[each] for each in alike[caption] if each != index]
        looks.append(others or list(range(own[index], own[index] + CUTS)))
    most = max(map(len, looks))
    even = torch.tensor([(each * most)[:most] for each in looks])
    words, states = read_captions(backbone, [caption for _, caption in pairs])
    wrong = torch.stack([words.roll(1), words], dim=1)
    return Examples(torch.cat(latents), words[:, None], words, wrong, states, even, torch.cat(pooled))


def cut(picture: Tensor, generator: torch.Generator) -> Tensor:
    """A part of a picture (3, H, W), mirrored half of the time."""
    height, width = picture.shape[1:]
    share = LEAST_CUT + (1 - LEAST_CUT) * float(torch.rand((), generator=generator))
    down, across = max(1, round(share * height)), max(1, round(share * width))
    top = int(torch.randint(0, height - down + 1, (1,), generator=generator))
    left = int(torch.randint(0, width - across + 1, (1,), generator=generator))
    part = picture[:, top : top + down, left : left + across]
    return part.flip(-1) if torch.rand((), generator=generator) < 0.5 else part


def encoded(backbone: Backbone, frames: Tensor) -> Tensor:
    """Frames (B, 3, H, W), uint8, as scaled latents in half precision on the CPU."""
    return backbone.encode(frames.float() / 255).half().cpu()


def read_captions(backbone: Backbone, captions: list[str]) -> tuple[Tensor, Tensor]:
    """Numbers (N,) of captions, and what the text encoder says of each once (C, T, D); the last is of no words."""
    once = [each for each in dict.fromkeys(captions) if each]
    states = torch.cat([each.cpu() for each in backbone.embed_alike([*once, ""])])
    number = {caption: index for index, caption in enumerate([*once, ""])}
    return torch.tensor([number[caption] for caption in captions]), states


def learn(backbone: Backbone, learner: Learner, examples: Examples, recipe: Recipe, batch: int, out: Path) -> None:
    """Teach the adapter beside its frozen model."""
    device = backbone.device
    held = examples.to(device)
    signal = alpha_bar(backbone.scheduler_config).to(device)
    levels = Levels.of(signal)
    schedule = backbone.schedule(1)  # only for what the network predicts

    def loss(step: int, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(0, len(held.latents), (batch,), generator=generator)
        telling, look = (
            torch.randint(0, each.shape[1], (batch,), generator=generator) for each in (held.words, held.looks)
        )
        shares = torch.tensor([NO_PICTURE, NEITHER, NO_WORDS, CONTRADICTED]).cumsum(0)
        kind = torch.bucketize(torch.rand((batch,), generator=generator), shares).to(device)
        blind, silent, contradicted = kind <= 1, (kind == 1) | (kind == 2), kind == 3
        chosen = chosen.to(device)
        words = held.words[chosen, telling.to(device)]
        words = torch.where(silent, len(held.states) - 1, words).where(~contradicted, held.wrong[chosen, 0])
        pooled = held.pooled[held.looks[chosen, look.to(device)]] * ~blind[:, None]
        clean = held.latents[chosen].float()
        noise = normal(clean.shape, generator, device)
        time = torch.randint(0, len(levels), (batch,), generator=generator).to(device)
        level = levels[time[:, None, None, None]]
        noisy = level.noised(clean, noise)
        target = schedule.output_for(noisy, clean, level)
        led = ((kind == 2) | contradicted).nonzero()[:, 0]
        by = held.right[chosen].where(~contradicted, held.wrong[chosen, 1])
        with torch.no_grad(), in_bfloat16(device):
            target[led] = backbone.predict(noisy[led, None], time[led, None], held.states[by[led]])[:, 0].to(target)
        apart = learner.apart(pooled, 1 + (CONTRADICTED_SCALE - 1) * contradicted)
        with in_bfloat16(device):
            output = backbone.predict(noisy[:, None], time[:, None], held.states[words], tokens_apart=[apart])[:, 0]
        error = (output - target).square().mean((1, 2, 3))
        if schedule.prediction == "epsilon":
            ratio = signal[time] / (1 - signal[time])
            error = error * ((1 + ratio).clamp(max=GAMMA) / ratio).clamp(max=HEAVIEST)
        return error.mean()

    train(learner, loss, recipe, out / "image_adapter.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(WORKSHOP), help="a Stable Diffusion: a folder, a file or a hub id")
    parser.add_argument("--pictures", type=Path, help="folder of pictures, each with its caption in a .txt of its name")
    parser.add_argument("--encoder", type=Path, help=f"folder of a CLIP; by default {ENCODER} in the model's")
    parser.add_argument("--adapter", type=Path, help=f"file to write; by default {OWN} in the model's, which names it")
    parser.add_argument("--begin-with", type=Path, help="an IP-Adapter of the same kind and sizes to begin with")
    parser.add_argument("--out", type=Path, default=Path("runs/image_adapter"), help="folder of the checkpoint")
    parser.add_argument("--scenes", type=int, default=16_384, help="of the world, drawn once")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--minutes", type=float, help="instead of the steps")
    parser.add_argument("--batch", type=int, default=32, help="pictures at once, for each worker")
    parser.add_argument("--learning-rate", type=float, default=5e-4, help="1e-4 suits Stable Diffusion 1.5")
    arguments = parser.parse_args()
    _, _, device = start_workers()
    backbone = load_backbone(arguments.model, device=device, dtype="float32")
    backbone.layers.detach_motion()
    eyes = load_image_encoder(arguments.encoder or Path(arguments.model) / ENCODER, device, torch.float32)
    if arguments.pictures is None:
        examples = of_world(arguments.scenes, backbone, eyes)
    else:
        examples = of_folder(arguments.pictures, backbone, eyes)
    torch.manual_seed(0)
    learner = Learner(backbone, eyes.net.config.projection_dim).to(device).train()
    if arguments.begin_with is not None:
        learner.begin_with(IPAdapter.read(arguments.begin_with))
    recipe = Recipe(arguments.steps, arguments.learning_rate, minutes=arguments.minutes)
    learn(backbone, learner, examples, recipe, arguments.batch, arguments.out)
    if dist.is_initialized() and dist.get_rank() > 0:
        return
    save_file(learner.tensors(), arguments.adapter or Path(arguments.model) / OWN)
    if arguments.adapter is None:
        note(Path(arguments.model), image_adapter=OWN)


if __name__ == "__main__":
    main()
