"""What is learnt of motion strokes, MCDiff's two stages (Chen et al. 2023): ``python -m training.strokes``.

F, a network that completes flow: from a frame, how some of its points move, and the flow that is computed of these,
what goes along. Its error counts more where things move, and ``training.drawn_strokes`` draws more points there. G, a
ControlNet `motion` beside the frozen model: from a frame moved along a flow, the later frame. They are trained apart,
on exact flow or on flow that was estimated, and then together, G shown what F makes of the strokes.

Learns from the world's scenes; ``--clips FOLDER`` from any clips, for any Stable Diffusion. What is learnt lies in one
folder, which `--motion-model` takes, and which by default is the model's own, and named in its vedit.json.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from diffusers import ControlNetModel
from torch import Tensor, nn

from training.control import HEAVIEST, build_control
from training.drawn_strokes import moved_at, places_of
from training.loop import Recipe, in_bfloat16, normal, note, ship, start_workers, train
from training.pairs import Pairs, of_clips, of_world
from training.presets import WORKSHOP
from training.splat import inverted
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip.sizes import fit_size, resize
from vedit.entrances.residuals import Residuals
from vedit.flow import resized_flow
from vedit.motion.learnt.completion import CompletionConfig, FlowCompletion, load_completion
from vedit.motion.learnt.folder import COMPLETION, CONTROL
from vedit.motion.learnt.next_frame import CHANNELS, motion_pictures
from vedit.motion.learnt.points import pixels_of, sparse_flow
from vedit.schedule import Levels, alpha_bar

OWN = "strokes"
"""Name of the folder in the model's."""

FAR = -1e4
"""Where a point is that is not drawn."""

LEAST = 0.1
"""What the error of a pixel counts that does not move, where that of the fastest counts 1 more."""

SHORTEST = 0.5
"""Pixels: where nothing moves farther, errors count as if something did."""

ROUND = 0.01
"""Pixels below which an error counts as its square, since a distance has no slope at nothing."""

F_SHARE = 0.05
"""What F's error counts beside G's where both are trained together."""

STAGES = {
    "flow": Recipe(4000, learning_rate=5e-4, ema=0.998),
    "frames": Recipe(3000, learning_rate=1e-3, ema=0.998),
    "together": Recipe(1000, learning_rate=2e-4, ema=0.998),
}
"""What is trained, in this order."""


def flow_loss(found: Tensor, target: Tensor) -> Tensor:
    """The error of a flow (B, 2, h, w), in units of each pair's longest motion, in which pixels that move count more.

    Source: Chen et al. 2023, eq. 4, of the distance and not its square: what is hard to tell along an outline would
    else be paid for inside, where all goes as one.
    """
    far = target.norm(dim=1)  # (B, h, w)
    longest = far.amax((1, 2), keepdim=True).clamp(min=SHORTEST)
    error = ((found - target).square().sum(1) + ROUND**2).sqrt() - ROUND
    return ((LEAST + far / longest) * error / longest).mean()


def completed(network: FlowCompletion, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """What F makes of the strokes of pairs, as if the camera stood still, in the pixels of its own grid, and what is
    right: both (B, 2, h, w)."""
    size, config = (pairs.first.shape[2], pairs.first.shape[3]), network.config
    grid = fit_size(size, config.side, multiple=config.multiple)
    scale = torch.tensor([grid[1] / size[1], grid[0] / size[0]], device=pairs.points.device)
    still = pairs.forward.float() - pairs.camera[:, :, None, None]
    target, computed = (resized_flow(each, grid) for each in (still, pairs.computed.float()))
    held = resize(pairs.held.float()[:, None], grid)
    at = places_of(pairs.points.clamp(min=0), size)  # (B, K, 2)
    points = torch.where(pairs.points[..., None] < 0, FAR, (at + 0.5) * scale - 0.5)
    strokes = sparse_flow(pixels_of(points, grid, config.radius), moved_at(still, pairs.points) * scale)
    with in_bfloat16(target.device):
        firmly = network(resize(pairs.first.float() / 255, grid), *strokes, computed, held)
    return firmly.float() * computed, target


class Drawing:
    """How well G draws the second frames of pairs beside a frozen model."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone, self.device = backbone, backbone.device
        self.shares = alpha_bar(backbone.scheduler_config).to(self.device)
        self.levels = Levels.of(self.shares)
        self.schedule = backbone.schedule(1)  # only for what the network predicts

    def loss(self, net: ControlNetModel, pairs: Pairs, shown: Tensor, generator: torch.Generator) -> Tensor:
        """Errors count as errors of v, as for the other ControlNets; ``shown`` (B, 6, H, W) of each pair."""
        count, device = len(pairs), self.device
        telling = torch.randint(0, pairs.words.shape[1], (count,), generator=generator).to(device)
        words = pairs.states[pairs.words[torch.arange(count, device=device), telling]]
        clean = pairs.latents.float()
        noise = normal(clean.shape, generator, device)
        time = torch.randint(0, len(self.levels), (count,), generator=generator).to(device)
        level = self.levels[time[:, None, None, None]]
        noisy = level.noised(clean, noise)
        target = self.schedule.output_for(noisy, clean, level)
        with in_bfloat16(device):
            down, mid = net(noisy, time, words, controlnet_cond=shown, return_dict=False)
            output = self.backbone.predict(noisy[:, None], time[:, None], words, residuals=Residuals(tuple(down), mid))[
                :, 0
            ]
        error = (output - target).square().mean((1, 2, 3))
        if self.schedule.prediction == "epsilon":
            error = error * (1 / self.shares[time]).clamp(max=HEAVIEST)
        return error.mean()


def train_flow(network: FlowCompletion, pairs: Pairs, recipe: Recipe, batch: int, checkpoint: Path) -> None:
    """Teach F alone."""

    def loss(step: int, generator: torch.Generator) -> Tensor:
        some = pairs.chosen(numbers(pairs, batch, generator))
        return flow_loss(*completed(network, some))

    train(network, loss, recipe, checkpoint)


def train_frames(
    net: ControlNetModel, backbone: Backbone, pairs: Pairs, recipe: Recipe, batch: int, checkpoint: Path
) -> None:
    """Teach G alone, on flow that is right."""
    drawing = Drawing(backbone)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        some = pairs.chosen(numbers(pairs, batch, generator))
        shown = motion_pictures(some.first.float() / 255, some.backward.float(), some.visible)
        return drawing.loss(net, some, shown, generator)

    train(net, loss, recipe, checkpoint)


def train_together(
    network: FlowCompletion,
    net: ControlNetModel,
    backbone: Backbone,
    pairs: Pairs,
    recipe: Recipe,
    batch: int,
    checkpoint: Path,
) -> None:
    """Teach both, G shown the flow that F makes of strokes.

    Source: Chen et al. 2023, eq. 6.
    """
    drawing = Drawing(backbone)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        some = pairs.chosen(numbers(pairs, batch, generator))
        found, target = completed(network, some)
        whole = resized_flow(found, (some.first.shape[2], some.first.shape[3])) + some.camera[:, :, None, None]
        backward, visible = inverted(whole)
        shown = motion_pictures(some.first.float() / 255, backward, visible)
        return F_SHARE * flow_loss(found, target) + drawing.loss(net, some, shown, generator)

    train(nn.ModuleList([network, net]), loss, recipe, checkpoint)


def numbers(pairs: Pairs, batch: int, generator: torch.Generator) -> Tensor:
    """The numbers (B,) of some pairs."""
    return torch.randint(0, len(pairs), (batch,), generator=generator).to(pairs.first.device)


def fresh_control(backbone: Backbone, other: Path | None) -> ControlNetModel:
    """G to be trained; with an ``other`` ControlNet of the model it begins with what that knows, but for its eyes.

    Raises SystemExit where that has other layers.
    """
    net = build_control(backbone.unet, CHANNELS)
    if other is not None:
        own = net.state_dict()
        known = ControlNetModel.from_pretrained(other, torch_dtype=torch.float32).state_dict()
        if known.keys() != own.keys():
            raise SystemExit(
                f"{other} has other layers than G; expected one that `training.control` made of this model."
            )
        net.load_state_dict({**own, **{name: each for name, each in known.items() if each.shape == own[name].shape}})
    return net


def learn(
    stage: str,
    folder: Path,
    backbone: Backbone,
    pairs: Pairs,
    recipe: Recipe,
    batch: int,
    out: Path,
    side: int,
    other: Path | None = None,
) -> None:
    """Go through one of the ``STAGES``: what earlier ones left is read in ``folder``, and its own part is put there.

    ``other`` is a ControlNet that G begins with.
    """
    device, checkpoint = backbone.device, out / f"{stage}.pt"
    torch.manual_seed(0)
    if stage == "flow":
        network = FlowCompletion.fresh(CompletionConfig(side=side)).to(device)
        train_flow(network, pairs, recipe, batch, checkpoint)
    elif stage == "frames":
        net = fresh_control(backbone, other).to(device, torch.float32).train()
        train_frames(net, backbone, pairs, recipe, batch, checkpoint)
    else:
        network = load_completion(folder / COMPLETION, device).requires_grad_(True).train()
        net = ControlNetModel.from_pretrained(folder / CONTROL, torch_dtype=torch.float32).to(device).train()
        train_together(network, net, backbone, pairs, recipe, batch, checkpoint)
    if stage != "frames" and not (dist.is_initialized() and dist.get_rank() > 0):
        network.save(folder / COMPLETION, overwrite=True)
    if stage != "flow":
        ship(net, folder / CONTROL)
    if dist.is_initialized():
        dist.barrier()  # what the next stage reads is written by one of the workers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=["all", *STAGES], default="all")
    parser.add_argument("--model", type=Path, default=WORKSHOP, help="a Stable Diffusion's folder")
    parser.add_argument(
        "--clips", type=Path, help="folder of clips; those with a caption in a .txt of their name say it"
    )
    parser.add_argument("--flow", choices=["dis", "raft"], default="dis", help="by which flow of clips is estimated")
    parser.add_argument("--stride", type=int, default=1, help="of such clips, take each stride-th frame")
    parser.add_argument("--gap", type=int, default=8, help="of such clips, most frames from one of a pair to the other")
    parser.add_argument(
        "--strokes", type=Path, help=f"folder to write; by default {OWN} in the model's, which names it"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/strokes"), help="folder of the checkpoints")
    parser.add_argument("--pool", type=int, help="pairs that are drawn once; by default 8192, of clips 512")
    parser.add_argument("--begin-with", type=Path, help="a ControlNet, such as for edges, to begin G with")
    parser.add_argument("--side", type=int, default=CompletionConfig().side, help="longer side of F's pictures, pixels")
    told = ", ".join(f"{recipe.steps} for {stage}" for stage, recipe in STAGES.items())
    parser.add_argument("--steps", type=int, help=f"of each stage; by default {told}")
    parser.add_argument("--minutes", type=float, help="of each stage, instead of the steps")
    parser.add_argument("--batch", type=int, default=32, help="pairs at once, for each worker")
    parser.add_argument("--learning-rate", type=float, help="1e-5 suits G beside Stable Diffusion 1.5")
    arguments = parser.parse_args()
    _, _, device = start_workers()
    backbone = load_backbone(arguments.model, device=device, dtype="float32")
    backbone.layers.detach_motion()
    if arguments.clips is None:
        pairs = of_world(arguments.pool or 8192, backbone)
    else:
        pairs = of_clips(
            arguments.clips, backbone, arguments.pool or 512, stride=arguments.stride, gap=arguments.gap,
            method=arguments.flow,
        )  # fmt: skip
    pairs, folder = pairs.to(device), arguments.strokes or arguments.model / OWN
    for stage in STAGES if arguments.stage == "all" else (arguments.stage,):
        recipe = STAGES[stage]
        recipe = replace(
            recipe, steps=arguments.steps or recipe.steps, minutes=arguments.minutes,
            learning_rate=arguments.learning_rate or recipe.learning_rate,
        )  # fmt: skip
        learn(
            stage, folder, backbone, pairs, recipe, arguments.batch, arguments.out, arguments.side,
            arguments.begin_with,
        )  # fmt: skip
    if arguments.strokes is None:
        note(arguments.model, motion_strokes=OWN)


if __name__ == "__main__":
    main()
