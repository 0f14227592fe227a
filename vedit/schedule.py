"""The noise schedule and the one DDIM formula, forwards and backwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from vedit.errors import ConfigError, WeightsError

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, LCMScheduler

Prediction = Literal["epsilon", "v_prediction"]

Sampler = Literal["ddim", "ddpm", "dpm++", "lcm"]
"""What takes the steps: DDIM or DDPM, whose formula is here, or one of diffusers' schedulers
(``vedit.sampling.solvers``)."""

Index = int | Tensor
"""Which step, 0 being the noisiest: one for all frames, or one for each (F,) int64, whose levels then differ."""


@dataclass(frozen=True)
class Levels:
    """Noise levels as pairs: latents at one of them are ``signal`` times the clean ones plus ``noise`` times noise.

    Any shape, both alike. For Stable Diffusion signal² + noise² = 1.
    """

    signal: Tensor
    noise: Tensor

    @classmethod
    def of(cls, alpha_bar: Tensor) -> Levels:
        """Those of a variance-preserving schedule (Ho et al. 2020, eq. 4)."""
        return cls(alpha_bar.sqrt(), (1 - alpha_bar).sqrt())

    def __getitem__(self, index: int | slice | Tensor) -> Levels:
        return Levels(self.signal[index], self.noise[index])

    def __len__(self) -> int:
        return len(self.signal)

    def to(self, device: torch.device) -> Levels:
        return Levels(self.signal.to(device), self.noise.to(device))

    def noised(self, clean: Tensor, noise: Tensor) -> Tensor:
        """Clean latents brought to these levels with this noise."""
        return self.signal * clean + self.noise * noise


@dataclass(frozen=True)
class Schedule:
    """S timesteps of a trajectory and the noise levels between them, with DDIM's steps (Song et al. 2021).

    Another ``sampler`` has timesteps and levels of its own, and its steps in ``vedit.sampling.solvers``.

    ``timesteps`` (S,) int64, descending from noise to clean; ``levels`` (S + 1,) float32, those before each step and,
    last, after the final one.
    """

    timesteps: Tensor
    levels: Levels
    prediction: Prediction = "epsilon"
    skipped: int = 0
    """Steps of the whole trajectory, from pure noise on, that are left out before the first of these."""
    sampler: Sampler = "ddim"

    @classmethod
    def from_config(cls, config: Mapping[str, Any], steps: int, sampler: Sampler = "ddim") -> Schedule:
        """The schedule of a model's scheduler config (any of diffusers' kinds), at so many ``steps`` of a sampler."""
        if not isinstance(steps, int) or steps < 1:
            raise ConfigError(f"steps: {steps!r} are no steps; expected a whole number of 1 or more.")
        prediction = config.get("prediction_type", "epsilon")
        if prediction not in ("epsilon", "v_prediction"):
            raise WeightsError(
                f"the model's scheduler predicts '{prediction}'; expected epsilon or v_prediction. "
                "Correct scheduler_config.json."
            )
        scheduler = _scheduler(config)
        if steps > scheduler.config.num_train_timesteps:
            trained = scheduler.config.num_train_timesteps
            raise WeightsError(f"the model was trained on {trained} timesteps, too few for {steps} steps; take fewer.")
        if sampler not in ("ddim", "ddpm"):
            return cls._of_solver(solver_scheduler(config, sampler, steps), prediction, sampler)
        scheduler.set_timesteps(steps)
        trained = scheduler.config.num_train_timesteps
        if steps > trained // 2 and int(scheduler.timesteps[0]) < 0.95 * trained - 1:
            raise ConfigError(
                f"{steps} steps would begin at timestep {int(scheduler.timesteps[0])} of {trained}, far from noise; "
                f"take up to {trained // 2}, or {trained}."
            )
        shares = scheduler.alphas_cumprod.float()
        # With an offset and as many steps as were trained, the first would lie one past the end.
        times = scheduler.timesteps.long().clamp(max=len(shares) - 1)
        # Below the last timestep lies the model's own final level (for Stable Diffusion alpha_bar at timestep 0).
        last = int(times[-1]) - len(shares) // steps
        final = shares[last] if last >= 0 else scheduler.final_alpha_cumprod.float()
        return cls(times, Levels.of(torch.cat([shares[times], final.reshape(1)])), prediction, sampler=sampler)

    @classmethod
    def _of_solver(
        cls, scheduler: DPMSolverMultistepScheduler | LCMScheduler, prediction: Prediction, sampler: Sampler
    ) -> Schedule:
        """That of one of diffusers' schedulers, whose last step ends without any noise."""
        sigmas = getattr(scheduler, "sigmas", None)
        if sigmas is None:
            before = Levels.of(scheduler.alphas_cumprod.float()[scheduler.timesteps])
        else:  # the noise for each part of signal
            signal = (1 + sigmas[:-1].square()).rsqrt()
            before = Levels(signal, sigmas[:-1] * signal)
        clean = torch.ones(1)
        levels = Levels(torch.cat([before.signal, clean]), torch.cat([before.noise, 1 - clean]))
        return cls(scheduler.timesteps.long(), levels, prediction, sampler=sampler)

    def __len__(self) -> int:
        return len(self.timesteps)

    def __repr__(self) -> str:
        span = f", timesteps {int(self.timesteps[0])} to {int(self.timesteps[-1])}" if len(self) else ""
        return f"Schedule({len(self)} steps{span}, {self.prediction})"

    def last(self, count: int) -> Schedule:
        """The last ``count`` steps of this schedule."""
        first = len(self) - count
        return replace(self, timesteps=self.timesteps[first:], levels=self.levels[first:], skipped=self.skipped + first)

    @property
    def whole(self) -> bool:
        """Whether it begins at pure noise."""
        return self.skipped == 0

    def window(self, index: int) -> tuple[float, float]:
        """Where the step of this index begins and ends, as shares of the whole trajectory: 0 is pure noise."""
        total = self.skipped + len(self)
        return (self.skipped + index) / total, (self.skipped + index + 1) / total

    def level(self, index: Index, device: torch.device) -> Levels:
        """The noise level before the step of this index, for latents (F, C, h, w): of all frames (), or of each (F, 1,
        1, 1). One past the last is that after the final step."""
        if isinstance(index, int):
            return self.levels[index].to(device)
        return self.levels[index.to(self.levels.signal.device)[:, None, None, None]].to(device)

    def clean_and_noise(self, x: Tensor, output: Tensor, level: Levels) -> tuple[Tensor, Tensor]:
        """Predicted clean latents and noise from the network's ``output`` for ``x`` at a level."""
        if self.prediction == "epsilon":
            return (x - level.noise * output) / level.signal, output
        return level.signal * x - level.noise * output, level.signal * output + level.noise * x

    def output_for(self, x: Tensor, clean: Tensor, level: Levels) -> Tensor:
        """What the network would have to say at ``level`` for ``clean`` to be predicted from ``x``."""
        epsilon = (x - level.signal * clean) / level.noise
        return epsilon if self.prediction == "epsilon" else level.signal * epsilon - level.noise * clean

    def move(self, x: Tensor, output: Tensor, level: Levels, to: Levels) -> Tensor:
        """DDIM's deterministic move between two noise levels (Song et al. 2021, eq. 12 with sigma 0), float32."""
        return to.noised(*self.clean_and_noise(x.float(), output.float(), level))

    def clean(self, x: Tensor, output: Tensor, *, index: Index) -> Tensor:
        """The clean latents that ``output`` predicts from ``x`` before step ``index``."""
        return self.clean_and_noise(x, output, self.level(index, x.device))[0]

    def step(self, x: Tensor, output: Tensor, index: Index) -> Tensor:
        """One step towards clean: ``x`` (F, C, h, w) at step ``index`` to the next."""
        return self.move(x, output, self.level(index, x.device), self.level(index + 1, x.device))

    def ancestral_step(self, x: Tensor, output: Tensor, noise: Tensor, index: Index) -> Tensor:
        """A step towards clean that exchanges some of the noise for fresh ``noise`` (F, C, h, w): DDPM's, over as many
        timesteps as this schedule leaves out (Song et al. 2021, eq. 12 with eq. 16's sigma at eta 1)."""
        level, to = self.level(index, x.device), self.level(index + 1, x.device)
        clean, predicted = self.clean_and_noise(x.float(), output.float(), level)
        fresh = to.noise / level.noise * (1 - (level.signal / to.signal).square()).clamp(min=0).sqrt()
        kept = (to.noise.square() - fresh.square()).clamp(min=0).sqrt()
        return to.noised(clean, torch.zeros_like(clean)) + kept * predicted + fresh * noise

    def descend(self, output: Tensor, gradient: Tensor, index: Index) -> Tensor:
        """The output whose predicted noise is led down an energy, given its ``gradient`` by the latents before step
        ``index``.

        Source: Dhariwal & Nichol 2021, eq. 14, for the energy -log p.
        """
        level = self.level(index, output.device)
        noise = level.noise * gradient
        if self.prediction == "epsilon":
            return output + noise
        # As much as the noise rises, the clean latents fall by noise / signal of it.
        return output + (level.signal + level.noise.square() / level.signal) * noise

    def invert(self, x: Tensor, output: Tensor, index: Index) -> Tensor:
        """The same step taken backwards, from the latents after step ``index`` to those before it."""
        return self.move(x, output, self.level(index + 1, x.device), self.level(index, x.device))

    def invert_as(self, x: Tensor, output: Tensor, there: Tensor, index: Index) -> Tensor:
        """The step taken backwards from ``x``, with the noise that ``output`` told of the latents ``there`` at the
        step's own, noisier level. Where the result is ``there`` itself, ``step`` leads back to ``x`` exactly."""
        here, noisier = self.level(index + 1, x.device), self.level(index, x.device)
        _, noise = self.clean_and_noise(there.float(), output.float(), noisier)
        clean = (x.float() - here.noise * noise) / here.signal
        return noisier.noised(clean, noise)

    def add_noise(self, clean: Tensor, noise: Tensor, index: Index) -> Tensor:
        """Clean latents brought to the noise level before step ``index``."""
        return self.level(index, clean.device).noised(clean, noise)


def alpha_bar(config: Mapping[str, Any]) -> Tensor:
    """The share of the clean latents' variance (T,) float32 at every timestep that the model was trained on."""
    return _scheduler(config).alphas_cumprod.float()


def training_levels(config: Mapping[str, Any]) -> Levels:
    """The noise levels (T,) that the model was trained on."""
    return Levels.of(alpha_bar(config))


def solver_scheduler(
    config: Mapping[str, Any], sampler: Sampler, steps: int
) -> DPMSolverMultistepScheduler | LCMScheduler:
    """diffusers' scheduler for a model's scheduler config that takes so many ``steps`` by a sampler other than DDIM.
    Raises ConfigError for more steps than it has."""
    from diffusers import DPMSolverMultistepScheduler, LCMScheduler

    made: DPMSolverMultistepScheduler | LCMScheduler
    if sampler == "lcm":
        made = LCMScheduler.from_config(dict(config), clip_sample=False, thresholding=False)
        most = made.config.original_inference_steps
        if steps > most:
            raise ConfigError(f"steps: {steps} are too many for the sampler lcm, which has {most}; it needs 4 to 8.")
    else:
        # Uniform in the logarithm of the noise for each part of signal, as Lu et al. 2022 have it, from pure noise on,
        # whatever a model's config says of DDIM. Where that is endless, at zero signal, uniform in time.
        uniform = not config.get("rescale_betas_zero_snr", False)
        others = dict.fromkeys(
            ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "thresholding"), False
        )
        made = DPMSolverMultistepScheduler.from_config(
            dict(config), algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero",
            timestep_spacing="linspace", use_lu_lambdas=uniform,
            **dict.fromkeys(others, False),
        )  # fmt: skip
    made.set_timesteps(steps)
    return made


def _scheduler(config: Mapping[str, Any]) -> DDIMScheduler:
    from diffusers import DDIMScheduler  # seconds to import, and not needed to say what is wrong with a job

    # Never clipped: latents are not bounded by 1.
    return DDIMScheduler.from_config(dict(config), clip_sample=False)
