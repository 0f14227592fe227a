"""``vedit inspect image``: what the image encoder makes of a picture whose look is to be taken."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from vedit.adapters.ip_adapter import IPAdapter, chosen_layers
from vedit.atomic import whole_file
from vedit.backbone.model import Backbone
from vedit.backbone.sizes import native_side
from vedit.clip.arrays import to_bytes
from vedit.clip.images import read_picture
from vedit.clip.sizes import fit_size, resize
from vedit.config import InspectImageConfig
from vedit.entrances.image_tokens import ImageTokens
from vedit.errors import MediaError, WeightsError
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.jobs.base import Given, Goal, Job, opened
from vedit.jobs.images import check_picture
from vedit.jobs.outputs import check_output, default_output
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling.denoising import noise
from vedit.sampling.prediction import predict
from vedit.schedule import training_levels
from vedit.session import Model, Session
from vedit.stages.images import EncodePictures, ImageWeights, SeenPictures

if TYPE_CHECKING:
    from vedit.printing import Report

LEVEL = 0.5
"""Share of the training timesteps at whose noise the tokens are looked for."""

MOST_TOKENS = 31
"""Of which maps are drawn, beside the picture; of more, the means of as many groups."""

COLUMNS = 8
GAP = 4
DIM = 0.15
"""How bright the picture is where a token is not looked at."""

PAPER = (24, 24, 24)


@dataclass(frozen=True)
class InspectImageResult:
    """What is seen in a picture.

    Attributes:
        picture: (3, H, W) at the model's size
        attention: (T, h, w) of each token, how much each place of the picture looks at it: a place's sum to 1
        captions: with how near they are, -1 to 1, the nearest first; None where the image encoder has no text tower
        files: what was written
    """

    picture: Tensor
    attention: Tensor
    captions: tuple[tuple[str, float], ...] | None
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class LookAtPicture(Stage[InspectImageResult]):
    """One step of the model on the noised picture itself, its tokens beside the prompt."""

    seen: EncodePictures
    config: InspectImageConfig
    weights: ImageWeights
    model: Model

    title: ClassVar[str] = "looking"

    @torch.no_grad()
    def make(self, session: Session, seen: SeenPictures) -> InspectImageResult:
        config = self.config
        with session.working(self.model, "per_frame") as backbone:
            files = self.weights.files(backbone)
            adapter = IPAdapter.read(files.adapter)
            picture = _at_native_size(read_picture(config.image), backbone)
            tokens = adapter.tokens(seen.pooled[:1], seen.states[:1])
            attention = _attention(backbone, adapter, picture, tokens, config)
            captions = _nearest(backbone, files.encoder, list(dict.fromkeys(config.caption)), seen.pooled[0])
        return InspectImageResult(picture, attention, captions)


def _at_native_size(picture: Tensor, backbone: Backbone) -> Tensor:
    height, width = int(picture.shape[1]), int(picture.shape[2])
    side = native_side(backbone.unet.config, backbone.vae_scale_factor) or 512
    return resize(picture[None], fit_size((height, width), side, multiple=backbone.vae_scale_factor))[0]


def _attention(
    backbone: Backbone, adapter: IPAdapter, picture: Tensor, tokens: Tensor, config: InspectImageConfig
) -> Tensor:
    """How much each place of a picture (3, H, W) looks at each of its ``tokens`` (1, T, D): (T, h, w), a mean over the
    heads and the layers of the finest level that has any."""
    latents = backbone.encode(picture[None])
    levels = training_levels(backbone.scheduler_config).to(backbone.device)
    time = int(LEVEL * len(levels))
    noisy = levels[time].noised(latents, noise(config.seed, 1, tuple(latents.shape[1:])).to(latents.device))  # type: ignore[arg-type]
    everywhere = adapter.keys_and_values(chosen_layers(backbone.unet, "all"))
    entrance = ImageTokens(tokens.to(backbone.device), keys_and_values=everywhere)
    asked = entrance.enter(Request(noisy, time, Prompt(backbone.embed([config.prompt]))), torch.ones(1))
    height, width = latents.shape[-2:]
    while height * width > 1:
        with adapter.on(backbone), backbone.recording_attention(height * width) as record:
            predict(backbone, asked)
        if record.tokens_apart:
            return torch.stack(record.tokens_apart).mean(0)[0].T.unflatten(1, (height, width)).float().cpu()
        height, width = -(-height // 2), -(-width // 2)
    raise MediaError(f"{config.image} is too small to be looked at.")


def _nearest(
    backbone: Backbone, encoder: Path, captions: list[str], pooled: Tensor
) -> tuple[tuple[str, float], ...] | None:
    from vedit.backbone.image_encoder import caption_embeddings  # with transformers, which takes seconds to import

    if not captions:
        return ()
    found = caption_embeddings(backbone, encoder, captions)
    if found is None:
        return None
    if found.shape[1] != len(pooled):
        raise WeightsError(
            f"the text tower in '{encoder}' makes embeddings of {found.shape[1]} numbers, and the image tower of "
            f"{len(pooled)}: they do not belong together."
        )
    scores = (found @ F.normalize(pooled, dim=-1)).tolist()
    return tuple(sorted(zip(captions, scores, strict=True), key=lambda each: -each[1]))


class InspectImage(Job[InspectImageConfig, InspectImageResult]):
    """Without ``output``, "<picture>-seen.png" in the current folder."""

    def checked(self, config: InspectImageConfig) -> InspectImageConfig:
        output = config.output or default_output(config.image, "-seen.png")
        config = config.model_copy(update={"output": output})
        check_picture(config.image)
        if output.suffix.lower() != ".png":
            raise MediaError(f"{output}: expected a name that ends with .png.")
        check_output(output, config.files_read(), config.overwrite)
        return config

    def goal(self, config: InspectImageConfig, session: Session, given: Given) -> Goal[InspectImageResult]:
        model = opened(config, session, given)
        weights = ImageWeights.of(config.image_adapter, config.image_encoder, model)
        seen = EncodePictures((File.of(config.image),), weights.encoder, weights, model)
        return Goal(LookAtPicture(seen, config, weights, model), config)

    def finish(
        self, config: InspectImageConfig, result: InspectImageResult, seconds: dict[str, float]
    ) -> InspectImageResult:
        assert config.output is not None
        drawn = drawing(result.picture, result.attention)
        with whole_file(config.output, overwrite=config.overwrite) as beside:
            drawn.save(beside, format="PNG")
        return replace(result, files=(config.output,))

    def show(self, result: InspectImageResult, report: Report) -> None:
        if result.captions is None:
            report.say("this image encoder has no text tower that reads this model's words, so captions have no place")
        elif result.captions:
            report.table([[f"{score:.3f}", caption] for caption, score in result.captions], head=["near", "caption"])
        report.add_data(captions=[list(each) for each in result.captions or ()])
        for path in result.files:
            report.file(path)


def drawing(picture: Tensor, attention: Tensor) -> Image.Image:
    """A picture (3, H, W), and after it the same once for each token of ``attention`` (T, h, w), bright where that is
    looked at; left to right, then down."""
    if len(attention) > MOST_TOKENS:
        attention = torch.stack([each.mean(0) for each in attention.tensor_split(MOST_TOKENS)])
    level = F.interpolate(attention[None], picture.shape[-2:], mode="bilinear", align_corners=False)[0]
    low, high = level.amin((1, 2), keepdim=True), level.amax((1, 2), keepdim=True)
    share = (level - low) / (high - low).clamp(min=1e-12)
    cells = [picture, *(picture * (DIM + (1 - DIM) * each) for each in share)]
    height, width = int(picture.shape[1]), int(picture.shape[2])
    across = min(COLUMNS, len(cells))
    down = math.ceil(len(cells) / across)
    sheet = Image.new("RGB", (GAP + across * (width + GAP), GAP + down * (height + GAP)), PAPER)
    for index, cell in enumerate(cells):
        row, column = divmod(index, across)
        place = GAP + column * (width + GAP), GAP + row * (height + GAP)
        sheet.paste(Image.fromarray(to_bytes(cell)), place)
    return sheet
