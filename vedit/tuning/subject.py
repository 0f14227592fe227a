"""A subject learnt from a few pictures: a LoRA and a word of its own (DreamBooth)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vedit.adapters.lora_training import LearntLora, Subject, learning_word
from vedit.backbone.model import Backbone
from vedit.backbone.prompts import embed_with_gradient
from vedit.errors import DeviceError, WeightsError
from vedit.progress import Progress
from vedit.prompt import Prompt
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.guiders import ClassifierFree
from vedit.schedule import Levels, alpha_bar

GUIDANCE, STEPS = 6.0, 25
"""How pictures of the class are made."""

TOGETHER = 4
"""Of them that are made at a time."""

GAMMA = 5.0
"""Most that an error counts by its signal-to-noise ratio (Hang et al. 2023, eq. 8)."""

WORD_RATE = 5.0
"""Times the learning rate of the LoRA that a word's row learns with: it is one row, and has far to go."""


@dataclass(frozen=True)
class Naming:
    """What a subject is called: a ``token`` that the model does not know, and the ``kind`` of thing that it is."""

    token: str
    kind: str

    @property
    def prompt(self) -> str:
        return f"a {self.token} {self.kind}"

    @property
    def class_prompt(self) -> str:
        return f"a {self.kind}"


@torch.no_grad()
def class_latents(
    backbone: Backbone,
    naming: Naming,
    count: int,
    shape: tuple[int, int, int],
    seed: int,
    progress: Progress | None = None,
) -> Tensor:
    """Latents (count, 4, h, w), of a ``shape`` (4, h, w), of pictures of the subject's class that the model makes."""
    negative, prompt = (Prompt(each) for each in backbone.embed_alike(["", naming.class_prompt]))
    guider = ClassifierFree(negative=negative, prompt=prompt, scale=GUIDANCE)
    schedule, made = backbone.schedule(STEPS), []
    with backbone.attending("per_frame"):
        for first in range(0, count, TOGETHER):
            some = min(TOGETHER, count - first)
            with backbone.scaling_motion(torch.zeros(some)):
                start = noise(seed, some, shape, first=first).to(backbone.device)
                made.append(denoise(backbone, start, schedule, guider).cpu())
            if progress is not None:
                progress("pictures of the class", first + some, count)
    return torch.cat(made)


def learn_subject(
    backbone: Backbone,
    pictures: Tensor,
    naming: Naming,
    *,
    told: Sequence[str] | None = None,
    of_class: Tensor | None = None,
    prior_weight: float = 1.0,
    steps: int = 400,
    learning_rate: float = 1e-4,
    rank: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> Subject:
    """Teach a model a subject, and return what it has learnt: the model itself is left as it was, to the bit.

    Each step shows one of its pictures, told with its own word, and beside it one of its class, told without, so that
    the class stays what it was. Both errors count by their means, the second ``prior_weight`` times.

    Args:
        backbone: the model
        pictures: latents (P, 4, h, w) of the subject
        naming: what it is called
        told: what each picture shows, with the subject's word; by default that word and the class alone
        of_class: latents (Q, 4, h, w) of its class (``class_latents``); None for no prior preservation
        prior_weight: of their error
        steps: of the optimizer
        learning_rate: of the LoRA
        rank: of the LoRA; its alpha is the same
        seed: of all that is drawn
        progress: what is told of each step

    Raises:
        WeightsError: where the model knows the word already, and where learning diverges

    Source: Ruiz et al. 2023 (DreamBooth), eq. 2, with the LoRA of Hu et al. 2022 and a new word's row as of Gal et al.
    2023 in place of all weights and a rare word.
    """
    if backbone.dtype == torch.float16 and backbone.device.type == "cpu":
        raise DeviceError("a CPU cannot learn in float16; use --dtype float32 or bfloat16.")
    config = {
        "token": naming.token, "class": naming.kind, "steps": steps, "learning_rate": learning_rate, "rank": rank,
        "prior_weight": prior_weight, "pictures": len(pictures),
        "prior_pictures": 0 if of_class is None else len(of_class), "seed": seed, "model": backbone.name,
    }  # fmt: skip
    base = backbone.fingerprint
    with backbone.lock, learning_word(backbone, naming.token, naming.kind) as row:
        lora = LearntLora(backbone.unet, rank, seed)
        groups: list[dict[str, Any]] = [
            {"params": [*lora.parameters()]},
            {"params": [row], "lr": learning_rate * WORD_RATE, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=learning_rate)
        words = [naming.prompt] * len(pictures) if told is None else list(told)
        lesson = _Lesson(backbone, naming, pictures, words, of_class, prior_weight, seed)
        motion = backbone.scaling_motion(torch.zeros(1))
        with backbone.attending("per_frame"), motion, lora.on(), _mixed(backbone):
            for step in range(steps):
                optimizer.zero_grad(set_to_none=True)
                loss = lesson.loss(step)
                if not torch.isfinite(loss):
                    raise WeightsError(
                        f"learning diverged at step {step} (the loss is {loss.item()}); "
                        f"expected a finite loss: lower the learning rate from {learning_rate:g}."
                    )
                loss.backward()
                nn.utils.clip_grad_norm_([*lora.parameters(), row], 1.0)
                optimizer.step()
                if progress is not None:
                    progress("learning", step + 1, steps)
        return Subject(lora.tensors(), naming.token, row.detach().cpu().clone(), config, base)


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What is learnt in each step: arguments of ``learn_subject``."""

    backbone: Backbone
    naming: Naming
    pictures: Tensor
    told: Sequence[str]
    of_class: Tensor | None
    prior_weight: float
    seed: int

    def loss(self, step: int) -> Tensor:
        backbone, generator = self.backbone, torch.Generator().manual_seed((self.seed * 1_000_003 + step) % 2**63)
        shares = alpha_bar(backbone.scheduler_config).to(backbone.device)
        levels, schedule = Levels.of(shares), backbone.schedule(1)  # only for what the network predicts
        halves = [(self.pictures, self.told, 1.0)]
        if self.of_class is not None and self.prior_weight:
            halves.append((self.of_class, [self.naming.class_prompt] * len(self.of_class), self.prior_weight))
        losses = []
        for latents, words, weight in halves:
            which = int(torch.randint(0, len(latents), (1,), generator=generator))
            clean = latents[which, None].to(backbone.device)
            time = int(torch.randint(0, len(levels), (1,), generator=generator))
            fresh = torch.randn(clean.shape, generator=generator).to(clean)
            noisy = levels[time].noised(clean, fresh)
            text = embed_with_gradient(backbone.tokenizer, backbone.text_encoder, [words[which]])
            target = schedule.output_for(noisy, clean, levels[time])
            error = F.mse_loss(backbone.predict(noisy[None], time, text)[0], target)
            ratio = shares[time] / (1 - shares[time])
            counts = ratio.clamp(max=GAMMA) / (ratio if schedule.prediction == "epsilon" else ratio + 1)
            losses.append(weight * counts * error)
        return torch.stack(losses).sum()


def _mixed(backbone: Backbone) -> torch.autocast:
    """bfloat16 where the weights are in half precision: its range needs no loss scaling, float16's would."""
    return torch.autocast(backbone.device.type, torch.bfloat16, enabled=backbone.dtype != torch.float32)
