"""One training loop for every stage: workers, learning rate, averaged weights, checkpoints that resume.

Run a stage under ``torchrun --nproc-per-node N -m training.STAGE`` for N workers (on a CPU, one process per core is
about twice as fast as one process with as many threads), or plainly for one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from vedit.backbone.notes import ModelNotes, read_notes

In = TypeVar("In")
Out = TypeVar("Out")

Loss = Callable[[int, torch.Generator], Tensor]
"""(step, generator of this worker and step) -> scalar loss. Data is drawn from the generator, so a run resumes
exactly."""

TELL = 50
"""Steps from one line about the training to the next."""

Given = tuple[Tensor | None, ...]
"""What is learnt from at one step, of the same sizes at every step."""


@dataclass(frozen=True)
class Replayable:
    """A loss in two parts, of which a GPU records the second once, gradients and all, and replays it at every step.

    So small a network's step takes a GPU less time than it takes to launch its two thousand kernels one by one.
    """

    draw: Callable[[int, torch.Generator], Given]
    """What one step learns from, on the GPU."""
    error: Callable[..., Tensor]
    """The scalar loss of that; it waits for nothing and draws nothing at random."""

    def __call__(self, step: int, generator: torch.Generator) -> Tensor:
        return self.error(*self.draw(step, generator))


COMPILE = "compile the network first: minutes, once on a machine, and then two thirds of the time"
"""What ``--compile`` is for, of the stages that run long."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast one stage learns."""

    steps: int
    learning_rate: float
    warmup: int = 100
    decay_from: float = 0.6
    """Share of the steps, or of the time, after which the rate falls linearly to zero."""
    minutes: float | None = None
    """Of one run; if given, it ends after so long, whatever the steps, and does not resume."""
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    ema: float = 0.999
    checkpoint_seconds: float = 120.0

    def done(self, step: int, seconds: float) -> float:
        """How much of the work is behind, in [0, 1], after so many steps or seconds."""
        return min(1.0, step / self.steps if self.minutes is None else seconds / (60 * self.minutes))

    def rate(self, step: int, done: float) -> float:
        rising = min(1.0, (step + 1) / self.warmup)
        falling = min(1.0, (1 - done) / max(1 - self.decay_from, 1e-6))
        return self.learning_rate * rising * falling


def start_workers() -> tuple[int, int, torch.device]:
    """Join the other workers, if any: (rank, number of workers, device)."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
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
    device = parameters[0].device
    average = [p.detach().clone() for p in parameters]
    on_gpu = device.type == "cuda"
    optimizer = torch.optim.AdamW(
        parameters,
        # A recorded step reads the rate where it stands.
        lr=torch.tensor(recipe.learning_rate, device=device) if on_gpu else recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=on_gpu,
        capturable=on_gpu,
    )
    learn = _Learning(loss, optimizer, recipe.clip_norm, workers)
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
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
    running = torch.zeros((), device=device)
    told = (first - 1, started)
    step = first
    while (done := _furthest(recipe.done(step, time.monotonic() - started), workers, device)) < 1:
        for group in optimizer.param_groups:
            if on_gpu:
                group["lr"].fill_(recipe.rate(step, done))
            else:
                group["lr"] = recipe.rate(step, done)
        value = learn(step, torch.Generator().manual_seed((seed * 1_000_003 + step) * workers + rank))
        # Early in training the average forgets faster, or it would remember the random start.
        keep = min(recipe.ema, (1 + step) / (10 + step))
        torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - keep)
        # Stays on the device: to read it at every step would be to wait for every step.
        running.lerp_(value, 0.02 if step > first else 1.0)
        if rank == 0 and step % TELL == 0:
            average_loss, now = float(running), time.monotonic()
            pace = (step - told[0]) / (now - told[1])
            print(f"step {step}/{recipe.steps} ({done:.0%}) loss {average_loss:.4f} {pace:.2f} steps/s", flush=True)
            told = step, now
        step += 1
        if time.monotonic() - saved > recipe.checkpoint_seconds:
            save(step)
            saved = time.monotonic()
    save(step)
    with torch.no_grad():
        for parameter, mean in zip(parameters, average, strict=True):
            parameter.copy_(mean)
    return model


class _Learning:
    """One step of an optimizer: the loss, its gradients, and what they do to the parameters."""

    UNRECORDED = 3
    """Steps before one is recorded: what is compiled, tuned or allocated on first use is there by then."""

    def __init__(self, loss: Loss, optimizer: torch.optim.Optimizer, clip_norm: float, workers: int) -> None:
        self.loss, self.optimizer, self.clip_norm, self.workers = loss, optimizer, clip_norm, workers
        self.parameters: list[nn.Parameter] = [each for group in optimizer.param_groups for each in group["params"]]
        self.steps = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.given: Given = ()
        self.value = torch.zeros(())

    def __call__(self, step: int, generator: torch.Generator) -> Tensor:
        """The loss before the step, a scalar."""
        if not isinstance(self.loss, Replayable) or self.parameters[0].device.type != "cuda" or self.workers > 1:
            return self._learn(partial(self.loss, step, generator))
        given = self.loss.draw(step, generator)
        self.steps += 1
        if self.steps <= self.UNRECORDED:
            return self._beside(partial(self._learn, partial(self.loss.error, *given)))
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            self.given = tuple(None if each is None else each.clone() for each in given)
            with torch.cuda.graph(self.graph):
                self.value = self._learn(partial(self.loss.error, *self.given))
        for place, each in zip(self.given, given, strict=True):
            if place is not None and each is not None:
                place.copy_(each)
        self.graph.replay()
        return self.value

    def _learn(self, loss: Callable[[], Tensor]) -> Tensor:
        value = loss()
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        if self.workers > 1:
            _average_gradients(self.parameters, self.workers)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        self.optimizer.step()
        return value.detach()

    @staticmethod
    def _beside(work: Callable[[], Tensor]) -> Tensor:
        """Do what is to be recorded on another stream than the default one, as the recording will be."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            value = work()
        torch.cuda.current_stream().wait_stream(stream)
        return value


def normal(shape: Sequence[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Normal numbers on ``device``, keyed by ``generator``, which is on the CPU."""
    if device.type == "cpu":
        return torch.randn(tuple(shape), generator=generator)
    there = torch.Generator(device).manual_seed(int(torch.randint(0, 2**40, (1,), generator=generator)))
    return torch.randn(tuple(shape), generator=there, device=device)


@contextmanager
def in_bfloat16(device: torch.device) -> Iterator[None]:
    """Networks compute in bfloat16; on a CPU, attention by plain products: for short sequences, twice as fast."""
    with torch.autocast(device.type, torch.bfloat16):
        if device.type != "cpu":
            yield
            return
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)  # despite its name, on every device
        with sdpa_kernel(SDPBackend.MATH):
            yield


def in_parallel(function: Callable[[In], Out], each: Iterable[In]) -> Iterator[Out]:
    """What the function makes of each, in order, made by a process for each core; none is far ahead of its taker. A
    single one is made here: a process takes seconds to start."""
    each = iter(each)
    first = list(islice(each, 2))
    if len(first) < 2:
        yield from map(function, first)
        return
    there = multiprocessing.get_context("forkserver")
    there.set_forkserver_preload([function.__module__])
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=there, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        ahead: deque[Future[Out]] = deque()
        for one in chain(first, each):
            ahead.append(pool.submit(function, one))
            if len(ahead) > 4 * cores:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


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


def _furthest(done: float, workers: int, device: torch.device) -> float:
    """Of all workers, so that they end at the same step, whatever their clocks say."""
    if workers == 1:
        return done
    shared = torch.tensor(done, dtype=torch.float64, device=device)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return float(shared)


def _average_gradients(parameters: list[nn.Parameter], workers: int) -> None:
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= workers
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()
