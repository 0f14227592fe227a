"""One training loop for every stage: workers, learning rate, averaged weights, checkpoints that resume.

Run a stage under ``torchrun --nproc-per-node N -m training.STAGE`` for N workers (on a CPU, one process per core is
about twice as fast as one process with as many threads), or plainly for one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vedit.backbone.notes import ModelNotes, read_notes

Loss = Callable[[int, torch.Generator], Tensor]
"""(step, generator of this worker and step) -> scalar loss. Data is drawn from the generator, so a run resumes
exactly."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast one stage learns."""

    steps: int
    learning_rate: float
    warmup: int = 100
    decay_from: float = 0.6
    """Share of the steps after which the rate falls linearly to zero."""
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    ema: float = 0.999
    checkpoint_seconds: float = 120.0

    def rate(self, step: int) -> float:
        rising = min(1.0, (step + 1) / self.warmup)
        start = self.decay_from * self.steps
        falling = 1.0 if step < start else max(0.0, (self.steps - step) / max(self.steps - start, 1))
        return self.learning_rate * rising * falling


def start_workers() -> tuple[int, int, torch.device]:
    """Join the other workers, if any: (rank, number of workers, device)."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if "RANK" not in os.environ:
        return 0, 1, device
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    torch.set_num_threads(1)
    return dist.get_rank(), dist.get_world_size(), device


def train(model: nn.Module, loss: Loss, recipe: Recipe, checkpoint: Path, *, seed: int = 0) -> nn.Module:
    """Minimise ``loss`` over ``model``'s trainable parameters; return the model holding its averaged weights.

    Continues from ``checkpoint`` if it is there, and writes it whole (beside, then renamed).
    """
    rank, workers = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    parameters = [p for p in model.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=parameters[0].device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average = state["average"]
        first = state["step"]

    def save(step: int) -> None:
        if rank == 0:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            beside = checkpoint.with_suffix(".part")
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "average": average, "step": step}
            torch.save(state, beside)
            beside.replace(checkpoint)

    started = saved = time.monotonic()
    running = 0.0
    for step in range(first, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        generator = torch.Generator().manual_seed((seed * 1_000_003 + step) * workers + rank)
        value = loss(step, generator)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        if workers > 1:
            _average_gradients(parameters, workers)
        torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        optimizer.step()
        # Early in training the average forgets faster, or it would remember the random start.
        keep = min(recipe.ema, (1 + step) / (10 + step))
        torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - keep)
        running += 0.02 * (float(value.detach()) - running) if step > first else float(value.detach())
        if rank == 0 and step % 50 == 0:
            pace = (step - first + 1) / (time.monotonic() - started)
            print(f"step {step}/{recipe.steps} loss {running:.4f} {pace:.2f} steps/s", flush=True)
        if time.monotonic() - saved > recipe.checkpoint_seconds:
            save(step + 1)
            saved = time.monotonic()
    save(recipe.steps)
    with torch.no_grad():
        for parameter, mean in zip(parameters, average, strict=True):
            parameter.copy_(mean)
    return model


def ship(network: Any, folder: Path) -> None:
    """Save a diffusers or transformers model in half precision, without the name of the place it was read from.

    Of several workers, the first one does it.
    """
    if dist.is_initialized() and dist.get_rank() > 0:
        return
    network.half().save_pretrained(folder)
    config = folder / "config.json"
    told = json.loads(config.read_text())
    told.pop("_name_or_path", None)
    config.write_text(json.dumps(told, indent=2) + "\n")


def note(model: Path, **told: Any) -> None:
    """Write down in a model's folder what it brings along (``vedit.json``)."""
    if dist.is_initialized() and dist.get_rank() > 0:
        return
    notes = ModelNotes.model_validate({**read_notes(model).model_dump(mode="json", exclude_defaults=True), **told})
    (model / "vedit.json").write_text(notes.model_dump_json(indent=2, exclude_defaults=True) + "\n")


def _average_gradients(parameters: list[nn.Parameter], workers: int) -> None:
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= workers
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()
