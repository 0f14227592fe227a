"""One-shot tuning: a backbone learns one clip (Wu et al. 2023, Tune-A-Video)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from vedit.adapters.tuned import Adapter
from vedit.atomic import whole_file
from vedit.attention.kinds import ATTENTION
from vedit.backbone.model import Backbone
from vedit.backbone.sizes import working_size
from vedit.clip import Clip
from vedit.errors import DeviceError, WeightsError
from vedit.flow import Flow, estimate_flow
from vedit.progress import Progress
from vedit.schedule import Levels, Schedule, alpha_bar
from vedit.shots import ONE_SHOT, Shots
from vedit.tuning.exam import PAIRS, is_due, is_learnt

TUNED_SUFFIXES = ("attn1.to_q", "attn2.to_q", "attn_temp")
"""Modules that learn, by the ends of their names: Tune-A-Video's choice."""

LOOKED_UP = ("attn2.to_k", "attn2.to_v")
"""What learns beside them where pictures are learnt too: what a look is made of (Custom Diffusion, Kumari et al. 2023,
section 3.1)."""

LEARNING_RATE = 3e-5
"""Tune-A-Video's, for Stable Diffusion."""

CHECKPOINT_EVERY = 50
"""Steps between two resumable checkpoints."""

Blocks = Literal["all", "up"]
"""Blocks of the UNet that learn: all, or those of the way up, to which a step's gradients then lead alone."""

Recipe = Literal["motion", "original"]
"""How a clip is learnt: ``original`` is Tune-A-Video's loop; ``motion`` brings the clip's layout and motion back from
fresh noise too."""

FROM_NOISE = 0.5
"""Share of the steps of ``motion`` that learn the clip from pure noise."""

UNDECIDED = 0.65
"""Share of the training timesteps above which a picture's layout is still open; pure noise is learnt from there on."""


Shown = tuple[Tensor, str]
"""A picture's latents (4, h, w), and what it shows, in words."""


def tuned_parameters(unet: nn.Module, *, looks: bool = False, blocks: Blocks = "all") -> dict[str, nn.Parameter]:
    """The parameters that tuning changes in these ``blocks``, by name; with ``looks``, as it learns pictures too."""
    endings, begins = TUNED_SUFFIXES + (LOOKED_UP if looks else ()), "up_blocks." if blocks == "up" else ""
    owners = [name for name, _ in unet.named_modules() if name.startswith(begins) and name.endswith(endings)]
    return {
        name: parameter
        for name, parameter in unet.named_parameters()
        if any(name.startswith(f"{owner}.") for owner in owners)
    }


def tune(
    backbone: Backbone,
    clip: Clip | Tensor,
    prompt: str,
    *,
    steps: int = 500,
    learning_rate: float | None = None,
    recipe: Recipe = "motion",
    weight_decay: float = 1e-2,
    clip_norm: float = 1.0,
    attention: str = "sparse_causal",
    seed: int = 0,
    checkpoint: Path | None = None,
    latents: Tensor | None = None,
    flow: Flow | None = None,
    window: int | None = None,
    shots: Shots = ONE_SHOT,
    pictures: Sequence[Shown] = (),
    mix: float = 1.0,
    early_stop: bool = False,
    blocks: Blocks = "all",
    progress: Progress | None = None,
) -> Adapter:
    """Teach ``backbone`` one clip, and return what it learned: an adapter. The backbone is left as it was, to the bit.

    The recipe ``original`` is Tune-A-Video's: AdamW on the query projections and the temporal
    attention, one timestep per step for the whole clip, independent noise per frame, mean squared error on what the
    network predicts; only that latents and text are computed once.

    ``motion`` tunes the same parameters, and differs in three things. The temporal attention knows which frame is
    which. Half of the steps show the network pure noise where layout is decided, as sampling does: what is noised from
    the clip still shows the clip faintly, even at the last timestep (Lin et al. 2024, section 3.1), and who may read
    the layout there need not learn it. And errors count as errors of v (Salimans & Ho 2022, section 4), because as
    errors of epsilon those of the layout are next to nothing.

    Parameters are tuned in float32 whatever the backbone's dtype, and memory is traded for time (gradient
    checkpointing) only when it runs out. Of a clip that is longer than a ``window``, each step learns a stretch of so
    many frames, drawn anew; which of the clip's frames they are is known all the same. Of a clip of several ``shots``
    each step learns one, or a stretch of one.

    With a ``mix`` below 1 each step learns one frame too, without the temporal layers, out of those of the clip and of
    the ``pictures``: what things look like is then learnt apart from how they move, and another motion can be asked for
    (Molad et al. 2023, Dreamix, section 4.2).

    Args:
        backbone: the model
        clip: a Clip, which is brought to the model's own size, or frames (F, 3, H, W) in [0, 1] as they are, H and W
            multiples of the backbone's ``vae_scale_factor``
        prompt: the words that say what the clip shows
        steps: of the optimizer, 1 or more
        learning_rate: None is the model's own (``vedit.json``), else the original's 3e-5
        recipe: "motion" or "original"
        weight_decay: AdamW's
        clip_norm: the largest norm that gradients keep
        attention: the attention kind that the frames are tuned under
        seed: of the noise and the timesteps
        checkpoint: a file that is written every 50 steps, and resumed from if it is there
        latents: of the clip (F, 4, h, w), where they are known already
        flow: of the clip, where it is known already, for an attention kind that follows it
        window: frames that are learnt at a time; None for all
        shots: of the clip
        pictures: of what the clip shows, or is to show
        mix: share of the error of the clip as video, above 0; the rest is that of frames and pictures
        early_stop: whether it ends once it has learnt the clip as video (``vedit.tuning.exam``)
        blocks: of the UNet that learn: "all" or "up"
        progress: what is told of each step; None for nothing

    Raises:
        WeightsError: when the loss stops being finite, and for a checkpoint of another tuning
    """
    if isinstance(clip, Clip):
        clip = clip.resized(working_size(clip.size, None, backbone.unet.config, backbone.vae_scale_factor)).frames
    if backbone.dtype == torch.float16 and backbone.device.type == "cpu":
        raise DeviceError("a CPU cannot tune in float16; use --dtype float32 or bfloat16.")
    rate = learning_rate or backbone.notes.learning_rate or LEARNING_RATE
    latents = backbone.encode(clip) if latents is None else latents.to(backbone.device)
    window = window if window is not None and window < len(latents) else None
    lesson = _Lesson.of(backbone, latents, prompt, recipe, seed, window, shots, pictures, mix)
    if "flow" in ATTENTION.load(attention).needs and flow is None:
        flow = estimate_flow(clip)
    config = {
        "prompt": prompt, "steps": steps, "learning_rate": rate, "weight_decay": weight_decay, "clip_norm": clip_norm,
        "recipe": recipe, "positions": False, "attention": attention, "seed": seed, "frames": len(clip),
        "window": window, "shots": list(shots.starts), "model": backbone.name, "clip": _digest(latents), "mix": mix,
        "pictures": [_digest(picture) for picture, _ in pictures],
    }  # fmt: skip
    config |= ({"early_stop": True} if early_stop else {}) | ({"blocks": blocks} if blocks != "all" else {})
    # All that looks at what was given stands above: from here on the backbone changes, until the block is left.
    with _learning(backbone, positions=recipe == "motion", looks=mix < 1, blocks=blocks) as chosen:
        config["positions"] = backbone.layers.positions
        optimizer = torch.optim.AdamW(chosen.values(), lr=rate, weight_decay=weight_decay)
        state = _State(chosen, optimizer, config, backbone)
        state.resume(checkpoint)
        with backbone.attending(attention, flow), _mixed(backbone):
            for step in range(state.step, steps):
                if early_stop and state.has_learnt(lesson, step):
                    break
                optimizer.zero_grad(set_to_none=True)
                lesson.learn(backbone, step, rate)
                nn.utils.clip_grad_norm_(chosen.values(), clip_norm)
                optimizer.step()
                state.taken(step + 1, steps, checkpoint)
                if progress is not None:
                    progress("tuning", step + 1, steps)
        config |= {"steps_taken": state.step, "errors": state.errors} if early_stop else {}
        tensors = {name: each.detach().to(backbone.dtype).cpu().clone() for name, each in chosen.items()}
        return Adapter(tensors, config, backbone.fingerprint)


@contextmanager
def _learning(backbone: Backbone, *, positions: bool, looks: bool, blocks: Blocks) -> Iterator[dict[str, nn.Parameter]]:
    """Within the block, the parameters that tuning changes in these ``blocks``, by name, are trainable in float32, the
    temporal attention among them; whatever ends it, the backbone is then what it was."""
    attached, before = not backbone.layers.has_temporal, backbone.layers.positions
    backbone.layers.attach_temporal(positions=positions)
    chosen = tuned_parameters(backbone.unet, looks=looks, blocks=blocks)
    values = {name: parameter.data for name, parameter in chosen.items()}
    for parameter in chosen.values():
        parameter.data = parameter.data.to(torch.float32, copy=True)
        parameter.requires_grad_(True)
    checkpointed = backbone.unet.is_gradient_checkpointing
    backbone.unet.train()
    try:
        yield chosen
    finally:
        if not checkpointed:
            backbone.unet.disable_gradient_checkpointing()
        backbone.unet.eval().requires_grad_(False)
        for name, parameter in chosen.items():
            parameter.data, parameter.grad = values[name], None
        backbone.layers.positions = before
        if attached:
            backbone.layers.detach_temporal()


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What is learnt in each step.

    latents: of the clip (F, 4, h, w); text: of its prompt (1, T, D)
    levels, shares: noise levels of all training timesteps, and their alpha_bar
    window: frames of a stretch that is learnt at a time, fewer than F; None for all
    shots: of the clip; a stretch lies in one of them
    shown: what is learnt frame by frame, and the text (1, T, D) of each; mix: share of the rest
    """

    latents: Tensor
    text: Tensor
    schedule: Schedule
    levels: Levels
    shares: Tensor
    recipe: Recipe
    seed: int
    window: int | None
    shots: Shots
    shown: tuple[tuple[Tensor, Tensor], ...]
    mix: float

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        latents: Tensor,
        prompt: str,
        recipe: Recipe,
        seed: int,
        window: int | None,
        shots: Shots,
        pictures: Sequence[Shown],
        mix: float,
    ) -> _Lesson:
        shares = alpha_bar(backbone.scheduler_config).to(backbone.device)
        schedule = backbone.schedule(1)  # only for what the network predicts
        text, levels = backbone.embed([prompt]), Levels.of(shares)
        frames = [(frame, text) for frame in latents]
        others = [(picture.to(latents), backbone.embed([words])) for picture, words in pictures]
        shown = (*frames, *others) if mix < 1 else ()
        return cls(latents, text, schedule, levels, shares, recipe, seed, window, shots, shown, mix)

    def learn(self, backbone: Backbone, step: int, rate: float) -> None:
        """The gradients of one step; where memory does not suffice for it, memory is traded for time from then on.
        Raises WeightsError where the loss is not finite: the learning ``rate`` is too high."""
        fits = True
        try:
            self._backward(backbone, step, rate)
        except torch.OutOfMemoryError:
            if backbone.unet.is_gradient_checkpointing:
                raise
            fits = False
        if fits:
            return
        # Now that the error is gone, which held on to what the failed pass had made.
        backbone.unet.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        backbone.unet.enable_gradient_checkpointing()
        self._backward(backbone, step, rate)

    @torch.no_grad()
    def error(self, backbone: Backbone) -> float:
        """The mean error on the same stretches, timesteps and noises each time: as many of pure noise, where that is
        learnt, as of the noised clip, their timesteps spread evenly."""
        total, kinds = 0.0, (False, True) if self.recipe == "motion" else (False,)
        count = PAIRS // len(kinds)
        for number in range(PAIRS):
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + 2**62 + number) % 2**63)
            pure, share = kinds[number % len(kinds)], (number // len(kinds) + 0.5) / count
            first, latents = self._stretch(generator)
            begin = UNDECIDED if pure else 0.0
            time = int((begin + (1 - begin) * share) * len(self.levels))
            fresh = torch.randn(latents.shape, generator=generator).to(latents)
            noisy = fresh if pure else self.levels[time].noised(latents, fresh)
            with self._seen(backbone, first, latents):
                total += float(self._loss(backbone, latents, time, noisy))
        return total / PAIRS

    def _backward(self, backbone: Backbone, step: int, rate: float) -> None:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) % 2**63)
        first, latents = self._stretch(generator)
        time, noisy = _draw(latents, self.levels, generator, FROM_NOISE if self.recipe == "motion" else 0)
        with self._seen(backbone, first, latents):
            loss = self._loss(backbone, latents, time, noisy)
            if not torch.isfinite(loss):
                raise WeightsError(
                    f"tuning diverged at step {step} (the loss is {loss.item()}); "
                    f"expected a finite loss: lower the learning rate from {rate:g}."
                )
            (self.mix * loss).backward()
        if self.mix < 1:
            self._backward_of_one(backbone, generator)

    def _seen(self, backbone: Backbone, first: int, latents: Tensor) -> AbstractContextManager[None]:
        """Within the block, the network knows which of the clip's frames these are."""
        whole = len(latents) == len(self.latents)
        return nullcontext() if whole else backbone.in_window(range(first, first + len(latents)))

    def _loss(self, backbone: Backbone, latents: Tensor, time: int, noisy: Tensor) -> Tensor:
        """The error () of what the network says of ``noisy`` latents at a timestep, of some that are to come back."""
        target = self.schedule.output_for(noisy, latents, self.levels[time])
        loss = nn.functional.mse_loss(backbone.predict(noisy[None], time, self.text)[0], target)
        return loss / self.shares[time] if self._as_v else loss

    def _backward_of_one(self, backbone: Backbone, generator: torch.Generator) -> None:
        """The gradients of one of what is learnt frame by frame. Pictures are drawn as often as frames of the clip,
        however many there are of either."""
        frames = len(self.latents)
        others = len(self.shown) > frames and float(torch.rand((), generator=generator)) < 0.5
        low, high = (frames, len(self.shown)) if others else (0, frames)
        picture, text = self.shown[int(torch.randint(low, high, (1,), generator=generator))]
        time, noisy = _draw(picture[None], self.levels, generator, 0)
        target = self.schedule.output_for(noisy, picture[None], self.levels[time])
        with backbone.scaling_motion(torch.zeros(1)):
            loss = nn.functional.mse_loss(backbone.predict(noisy[None], time, text)[0], target)
            if self._as_v:
                loss = loss / self.shares[time]
            ((1 - self.mix) * loss).backward()

    @property
    def _as_v(self) -> bool:
        """Whether errors of epsilon count as those of v."""
        return self.recipe == "motion" and self.schedule.prediction == "epsilon"

    def _stretch(self, generator: torch.Generator) -> tuple[int, Tensor]:
        """What a step learns: the index of its first frame, and its latents."""
        spans = self.shots.spans(len(self.latents))
        if len(spans) > 1:  # each frame's turn comes as often as another's
            frame = int(torch.randint(len(self.latents), (1,), generator=generator))
            spans = [each for each in spans if each.start <= frame < each.stop]
        (span,) = spans
        size = span.stop - span.start
        if self.window is None or self.window >= size:
            return span.start, self.latents[span]
        # The ends are drawn more often, or their frames would be learnt less often than the others.
        last = size - self.window
        start = int(torch.randint(1 - self.window, last + self.window, (1,), generator=generator))
        first = span.start + min(max(start, 0), last)
        return first, self.latents[first : first + self.window]


def _digest(latents: Tensor) -> str:
    return blake2b(latents.float().cpu().contiguous().numpy().tobytes(), digest_size=8).hexdigest()


def _draw(latents: Tensor, levels: Levels, generator: torch.Generator, from_noise: float) -> tuple[int, Tensor]:
    """A timestep, and latents (F, 4, h, w) at it: of the clip noised, or of noise alone."""
    pure = from_noise > 0 and float(torch.rand((), generator=generator)) < from_noise
    first = int(UNDECIDED * len(levels)) if pure else 0
    time = int(torch.randint(first, len(levels), (1,), generator=generator))
    fresh = torch.randn(latents.shape, generator=generator).to(latents)
    return time, fresh if pure else levels[time].noised(latents, fresh)


def _mixed(backbone: Backbone) -> torch.autocast:
    """bfloat16 where the weights are in half precision: its range needs no loss scaling, float16's would."""
    return torch.autocast(backbone.device.type, torch.bfloat16, enabled=backbone.dtype != torch.float32)


@dataclass(eq=False)
class _State:
    """What a tuning has come to, which it goes on from after an interruption.

    step: how many were taken; errors: that were looked at, for one that stops early
    """

    chosen: dict[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    config: dict[str, object]
    backbone: Backbone
    step: int = 0
    errors: list[float] = field(default_factory=list)

    def has_learnt(self, lesson: _Lesson, step: int) -> bool:
        """Whether nothing is left to learn, as far as the error before this step tells, where that is looked at."""
        if not is_due(step):
            return False
        self.errors.append(lesson.error(self.backbone))
        return is_learnt(self.errors)

    def taken(self, step: int, steps: int, checkpoint: Path | None) -> None:
        """Told after each step, how many of so many ``steps`` were taken; saves now and then."""
        self.step = step
        if checkpoint and step % CHECKPOINT_EVERY == 0 and step < steps:
            self._save(checkpoint)

    def _save(self, path: Path) -> None:
        state = {
            "parameters": {name: parameter.detach() for name, parameter in self.chosen.items()},
            "optimizer": self.optimizer.state_dict(),
            "config": self.config,
            "base": self.backbone.fingerprint,
            "step": self.step,
            "errors": self.errors,
        }
        content = io.BytesIO()
        torch.save(state, content)
        with whole_file(path, overwrite=True) as beside:
            beside.write_bytes(content.getbuffer())

    def resume(self, path: Path | None) -> None:
        """Go on from a checkpoint, if it is there. Raises WeightsError for one that is damaged, or of another
        tuning."""
        if path is None or not path.exists():
            return
        config = self.config
        try:
            state = torch.load(path, map_location=self.backbone.device, weights_only=True)
            state["config"]["prompt"], state["base"], state["step"]
        except Exception as error:  # torch's reader of pickles meets junk with whatever its bytes lead to
            raise WeightsError(f"the checkpoint {path} is damaged; delete it to tune from the beginning.") from error
        if state["step"] > config["steps"]:
            raise WeightsError(
                f"the checkpoint {path} is {state['step']} steps on and {config['steps']} were asked for; "
                "ask for more, or delete it to tune from the beginning."
            )
        if state["config"] | {"steps": 0} != config | {"steps": 0} or state["base"] != self.backbone.fingerprint:
            raise WeightsError(
                f"the checkpoint {path} belongs to another tuning (of '{state['config']['prompt']}'); "
                "delete it, or tune with the settings it was made with."
            )
        with torch.no_grad():
            for name, parameter in self.chosen.items():
                parameter.copy_(state["parameters"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.errors = int(state["step"]), list(state.get("errors", ()))
