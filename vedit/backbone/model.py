"""Backbone: a Stable Diffusion checkpoint whose UNet sees the frames of a clip together."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vedit.attention.anchors import Anchors
from vedit.attention.context import AttentionRecord, StepContext, TokensApart
from vedit.attention.in_force import KindInForce
from vedit.attention.kernels import choose_kernel
from vedit.attention.kinds import AttentionKind
from vedit.attention.processors import FrameProcessor
from vedit.backbone import temporal
from vedit.backbone.autoencoder import Autoencoder
from vedit.backbone.checkpoints import Identity
from vedit.backbone.deep_features import DeepFeatures, Inputs, run_whole
from vedit.backbone.frame_chunks import ChunkedOnOutOfMemory
from vedit.backbone.frame_layers import FrameLayers
from vedit.backbone.guidance_embedding import guidance_embedding
from vedit.backbone.injection import attach_injection
from vedit.backbone.notes import ModelNotes
from vedit.backbone.outline import Outline, TunedState
from vedit.backbone.prompts import embed
from vedit.entrances.residuals import Residuals
from vedit.errors import ConfigError
from vedit.flow import Flow
from vedit.request import flat_timestep
from vedit.schedule import Sampler, Schedule
from vedit.shots import ONE_SHOT, Shots
from vedit.windows import Windows, as_index

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer


class Backbone:
    """VAE, text encoder and UNet of one checkpoint, with the layers that join frames.

    Shapes: F frames, N guidance branches, h w the latent size, T tokens of width D. Flattened order is (N F). Latents
    are scaled as the UNet expects them. The VAE runs in float32; the UNet and the text encoder in ``dtype``.
    """

    def __init__(
        self,
        *,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        unet: UNet2DConditionModel,
        scheduler_config: Mapping[str, Any],
        kernel: str = "auto",
        name: str = "",
        identity: Identity | None = None,
        notes: ModelNotes | None = None,
        folder: Path | None = None,
    ) -> None:
        self.vae = vae.eval().requires_grad_(False)
        self._autoencoder = Autoencoder(self.vae)
        self.text_encoder = text_encoder.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.unet = unet.eval().requires_grad_(False)
        self.scheduler_config = dict(scheduler_config)
        self.lock = threading.RLock()
        """Held by each job, and within ``attending`` and each prediction: threads that share a model take turns."""
        self.name = name
        self.identity = identity or Identity()
        """What the weights came from, those that were put on included."""
        self.notes = notes or ModelNotes()
        self.folder = folder
        """Where the model lies, with what else came along."""
        self.tuned = TunedState()
        """The clip that was learnt, by tuning, if any."""
        self.loaded_with: dict[str, Any] = {}
        """What else the model was loaded with, under the names of the settings."""
        self._in_force = KindInForce()
        first = self._in_force.kind("per_frame", self.vae_scale_factor)
        self._context = StepContext(first, choose_kernel(kernel, self.device, self.dtype))
        self.layers = FrameLayers(self.unet, self._context)
        """Those that join frames."""
        self.windows: Windows | None = None
        """In which predictions of a long clip are made (``prediction.Predictor``), within ``attending``; None for all
        frames at once."""
        self.shots = ONE_SHOT
        """Of the clip, each of which predictions see by itself, within ``attending``."""
        self._deep: DeepFeatures | None = None
        self._chunked = ChunkedOnOutOfMemory(unet)
        attach_injection(unet, self._context)
        self.share_attention(unet)

    def __repr__(self) -> str:
        there = self.layers.attached
        added = [what for what, found in (("temporal", there.temporal), ("motion", there.motion)) if found]
        learned = [f"learned '{self.learned_prompt}'"] if self.learned_prompt else []
        number = str(self.dtype).removeprefix("torch.")
        told = [self.name or "unnamed", str(self.device), number, self.kernel, *added, *learned]
        return f"Backbone({', '.join(told)})"

    def share_attention(self, net: nn.Module) -> None:
        """Give a network's spatial transformers (the UNet's own, or a ControlNet's) the attention kind in force."""
        for block in temporal.transformer_blocks(net):
            block.attn1.set_processor(FrameProcessor(self._context, across_frames=True))
            block.attn2.set_processor(FrameProcessor(self._context, across_frames=False))

    @property
    def fingerprint(self) -> str:
        """Names the weights: alike for the same files, wherever they lie."""
        return str(self.identity)

    @property
    def learned_prompt(self) -> str:
        """The words of the clip that was learnt; empty where none was."""
        return self.tuned.prompt

    @property
    def default_attention(self) -> str:
        """The attention kind in force when nothing else is said: that which the weights were trained with."""
        return self.tuned.attention

    # Of a layer that is never tuned: diffusers' own `unet.device` and `unet.dtype` walk all modules at each call.
    @property
    def device(self) -> torch.device:
        return self.unet.conv_in.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.conv_in.weight.dtype

    @property
    def kernel(self) -> str:
        """The attention kernel in use: "xformers", "sdpa" or "math"."""
        return self._context.kernel

    @property
    def attention(self) -> str:
        """The attention kind in force."""
        return self._in_force.name or self.default_attention

    @property
    def vae_scale_factor(self) -> int:
        """Pixels per latent pixel: frames must be multiples of it. 8 for Stable Diffusion."""
        return self._autoencoder.scale_factor

    def outline(self) -> Outline:
        """What it is now, without its weights."""
        return Outline(
            name=self.name,
            folder=self.folder,
            configs=self.folder,
            unet=self.unet.config,
            vae_scale_factor=self.vae_scale_factor,
            tokenizer=self.tokenizer,
            notes=self.notes,
            fingerprint=self.fingerprint,
            device=self.device,
            dtype=self.dtype,
            kernel=self.kernel,
            layers=self.layers.attached,
            tuned=self.tuned,
            motion_config=None if self.layers.motion is None else partial(dict, self.layers.motion.config),
        )

    # Frames and latents

    def encode(self, frames: Tensor) -> Tensor:
        """Frames (F, 3, H, W) in [0, 1] to latents (F, 4, h, w) float32 (``Autoencoder.encode``)."""
        return self._autoencoder.encode(frames, self.device)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (F, 4, h, w) to frames (F, 3, H, W) in [0, 1] float32 on the CPU."""
        return self._autoencoder.decode(latents, self.device)

    def decode_with_gradient(self, latents: Tensor) -> Tensor:
        """As ``decode``, for an energy of frames (``Autoencoder.decode_with_gradient``)."""
        return self._autoencoder.decode_with_gradient(latents, self.device)

    # Words

    def embed(self, texts: Sequence[str], ignored_tokens: Sequence[Sequence[int]] = ()) -> Tensor:
        """Prompts to text embeddings (N, T, D); T is the longest prompt's, in chunks of the tokenizer's length.

        ``ignored_tokens``: for each prompt, the places of tokens (``prompts.tokens_of``) that its others do not look
        at.
        """
        if isinstance(texts, str) or not texts or not all(isinstance(each, str) for each in texts):
            raise TypeError(f"prompts are a list of one str or more, not {texts!r:.60}")
        with self.lock:  # a tokenizer cannot serve two threads at once
            return embed(self.tokenizer, self.text_encoder, texts, ignored_tokens)

    def embed_alike(self, texts: Sequence[str], ignored_tokens: Sequence[Sequence[int]] = ()) -> tuple[Tensor, ...]:
        """Prompts to one embedding (1, T, D) each, all of one T."""
        # One by one, since together they would come out with other last bits than alone, and miss the cache.
        positions = ignored_tokens or [()] * len(texts)
        alone = tuple(self.embed([each], [without]) for each, without in zip(texts, positions, strict=True))
        return alone if len({each.shape[1] for each in alone}) == 1 else self.embed(texts, positions).split(1)

    # The network

    def predict(
        self,
        x: Tensor,
        t: Tensor | int,
        text: Tensor,
        *,
        inject: bool = False,
        residuals: Residuals | None = None,
        emphasis: Tensor | None = None,
        tokens_apart: Sequence[TokensApart] = (),
        channels: Tensor | None = None,
    ) -> Tensor:
        """The UNet's output for noisy latents.

        Where the memory of a GPU does not suffice, the layers that hold most of it take a few frames at a time.

        Args:
            x: the latents (N, F, 4, h, w)
            t: their timestep: of all, of each frame (F,), or of each frame in each branch (N, F)
            text: (N, T, D) one prompt for each branch, the same for all of its frames; (N, F, T, D) for one per frame
            inject: whether the first branch is the source, and lends the others its structure (``injection.py``)
            residuals: of the N branches, added to the UNet's features
            emphasis: (N, F, T) how much each token counts: its share of the cross-attention is multiplied by it
                (AADiff, Lee et al. 2023, section 3.2)
            tokens_apart: further tokens of the N branches, which cross-attention looks at apart from the text
            channels: (N, F, C', h, w) beside the latents; those that a UNet takes and is not given are zeros

        Returns:
            (N, F, 4, h, w) float32.

        Raises:
            ConfigError: for more channels than the UNet takes
        """
        branches, frames = x.shape[:2]
        words = text if text.ndim == 4 else text[:, None].expand(-1, frames, -1, -1)
        shown = self._with_channels(x, channels)
        added = None if residuals is None else residuals.to(self.device, self.dtype)

        record = self._context.record
        kept = record.counts() if record else {}

        def run() -> Tensor:
            if record is not None:
                record.keep(kept)  # what a pass that ran out of memory has seen
            inputs = Inputs(
                shown.flatten(0, 1).to(self.dtype),
                flat_timestep(t, branches, frames).to(self.device),
                words.flatten(0, 1).to(self.device, self.dtype),
                self._guidance(branches, frames),
            )
            if self._deep is None:
                return run_whole(self.unet, inputs, added)
            return self._deep.run(self.unet, inputs, added, (branches, frames), self._context.which)

        with self.step_context(frames, inject=inject, emphasis=emphasis, tokens_apart=tokens_apart):
            output = self._chunked(x.numel(), run)
        return output.float().unflatten(0, (branches, frames))

    def _guidance(self, branches: int, frames: int) -> Tensor | None:
        """The embedding (N F, D) of the guidance in force, for a UNet that takes it; None for others."""
        width = self.unet.config.time_cond_proj_dim
        if width is None:
            return None
        scale, which = self._context.guidance, self._context.which
        if scale is None:
            scale = torch.ones(frames)
        elif which is not None:
            scale = scale[as_index(which)]
        return guidance_embedding(scale.repeat(branches), width).to(self.device, self.dtype)

    def _with_channels(self, x: Tensor, channels: Tensor | None) -> Tensor:
        """Latents (N, F, 4, h, w) with the channels beside them that the UNet takes."""
        given = x if channels is None else torch.cat([x, channels.to(x)], dim=2)
        missing = self.unet.config.in_channels - given.shape[2]
        if missing < 0:
            raise ConfigError(
                f"this model's UNet takes {self.unet.config.in_channels} channels, and a condition gives "
                f"{-missing} more; it is for a model that was trained to take them."
            )
        return given if missing == 0 else torch.cat([given, x.new_zeros(*x.shape[:2], missing, *x.shape[3:])], dim=2)

    @contextmanager
    def step_context(
        self,
        frames: int,
        *,
        inject: bool = False,
        emphasis: Tensor | None = None,
        tokens_apart: Sequence[TokensApart] = (),
    ) -> Iterator[None]:
        """Within the block, the layers that join frames know how many there are, and which kind is in force.

        With gradient checkpointing they know it until ``attending`` is left: they run again in the backward pass.
        """
        with self.lock:
            self._context.frames = frames
            self._context.kind = self._kind(self.attention)
            if self._context.anchors is not None:
                self._context.anchors.begin_run()
            self._context.inject = inject
            self._context.emphasis = None if emphasis is None else emphasis.flatten(0, 1).to(self.device, self.dtype)
            self._context.tokens_apart = tuple(each.to(self.device, self.dtype) for each in tokens_apart)
            try:
                yield
            finally:
                self._context.inject, self._context.emphasis, self._context.tokens_apart = False, None, ()
                if not (torch.is_grad_enabled() and self.unet.is_gradient_checkpointing):
                    self._context.frames = 1

    @contextmanager
    def in_window(self, indices: Sequence[int], anchors: Anchors | None = None) -> Iterator[None]:
        """Within the block, the frames that the network sees are those of the clip with these ``indices``, in their
        order. ``anchors`` keep what the first window leaves for the others."""
        with self.lock:
            if anchors is not None:
                anchors.begin_window(indices[0])
            with self._context_with(indices=indices, anchors=anchors):
                yield

    @property
    def anchored(self) -> bool:
        """Whether a window runs that shares its shot's first frame with others."""
        return self._context.anchors is not None

    @contextmanager
    def keeping_deep(self, features: DeepFeatures | None) -> Iterator[None]:
        """Within the block, what the UNet's deep blocks say is kept in ``features``, or taken from there
        (``deep_features.py``); residuals are then those that were kept too."""
        with self.lock:
            before, self._deep = self._deep, features
            try:
                yield
            finally:
                self._deep = before

    @property
    def outermost_alone(self) -> bool:
        """Whether predictions run the outermost layers alone, and take neither residuals nor what is deeper."""
        return self._deep is not None and not self._deep.filling

    @contextmanager
    def recording_attention(self, positions: int) -> Iterator[AttentionRecord]:
        """Within the block, where attention goes is kept, of the layers of so many places (h w)."""
        record = AttentionRecord(positions)
        with self._context_with(record=record):
            yield record

    def schedule(self, steps: int, sampler: Sampler = "ddim") -> Schedule:
        """The model's own noise schedule at so many ``steps`` of a sampler, 1 or more."""
        return Schedule.from_config(self.scheduler_config, steps, sampler)

    @contextmanager
    def attending(
        self, kind: str, flow: Flow | None = None, windows: Windows | None = None, shots: Shots | None = None
    ) -> Iterator[None]:
        """Within the block, which one thread enters at a time, self-attention follows this kind; afterwards as before.

        Args:
            kind: its name
            flow: of the clip, for a kind that needs one; one that is in force already stays so
            windows: in which long clips are seen; those that are in force already stay so
            shots: of the clip, each of which is seen by itself; those that are in force already stay so

        Raises:
            PartError: for an unknown kind
            ConfigError: for one that lacks its flow
        """
        with self.lock:
            there = self._in_force
            before = there.name, there.flow, self.windows, self.shots
            there.flow = there.flow if flow is None else flow
            self.windows = self.windows if windows is None else windows
            self.shots = self.shots if shots is None else shots
            try:
                self._kind(kind)
                there.name = kind
                yield
            finally:
                there.name, there.flow, self.windows, self.shots = before
                self._context.frames = 1

    @contextmanager
    def _context_with(self, **told: Any) -> Iterator[None]:
        """Within the block, which one thread enters at a time, the layers are told this; afterwards what they were."""
        with self.lock:
            before = {name: getattr(self._context, name) for name in told}
            for name, value in told.items():
                setattr(self._context, name, value)
            try:
                yield
            finally:
                for name, value in before.items():
                    setattr(self._context, name, value)

    @contextmanager
    def scaling_motion(self, scale: Tensor | None) -> Iterator[None]:
        """Within the block, the temporal layers (AnimateDiff's, and those that were tuned) count ``scale`` (F,) times
        in each frame: 0 not at all, 1 (and None) as they were trained."""
        with self._context_with(motion=scale):
            yield

    @contextmanager
    def guided_by(self, scale: Tensor | None) -> Iterator[None]:
        """Within the block, a UNet that takes guidance as an input is told this ``scale`` (F,) of each frame; 1, and
        None, is none."""
        with self._context_with(guidance=scale):
            yield

    @contextmanager
    def reordered(self, order: Tensor) -> Iterator[None]:
        """Within the block, the network sees the clip's frames in this ``order`` (F',), by their indices."""
        with self.lock:
            scale = self._context.motion
            with self._context_with(motion=None if scale is None else scale[order], order=order):
                yield

    def _kind(self, name: str) -> AttentionKind:
        return self._in_force.kind(name, self.vae_scale_factor, self._context.indices)

    def seen_at_once(self, frames: int) -> int | None:
        """How many of so many ``frames`` the motion modules see at once, in the windows in force; None without such
        modules, and without windows."""
        if self.layers.motion is not None:
            return self.seen_by_motion(frames)
        return None if self.windows is None else min(self.windows.size, frames)

    def seen_by_motion(self, frames: int) -> int:
        """The same, where without motion modules all frames count as seen."""
        if self.layers.motion is None:
            return frames
        return self.layers.seen_at_once(frames if self.windows is None else min(self.windows.size, frames))
