"""What a job would cost, without running it: its networks pass once through tensors that have shapes but no content."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop, sdpa_flop

from vedit import registry
from vedit.attention.context import StepContext
from vedit.attention.processors import FrameProcessor
from vedit.backbone import checkpoints, sources, temporal
from vedit.backbone.adapter import Adapter
from vedit.backbone.control import empty_controlnet, locate, reads_words
from vedit.backbone.loading import (
    check_family,
    choose_device,
    choose_dtype,
    empty,
    empty_text_encoder,
    empty_unet,
    read_tokenizer,
)
from vedit.backbone.lora import split_scale
from vedit.backbone.notes import read_notes
from vedit.backbone.sizes import working_size
from vedit.backbone.weightless import Weightless
from vedit.clip.sizes import Size
from vedit.config import HUB_NAMES, ControlSettings, EditConfig, GenerateConfig, InvertConfig, TuneConfig
from vedit.config.values import at_home
from vedit.masks import NOISE_LEVELS, SAMPLES, word
from vedit.pipelines import following, guiding, hearing
from vedit.pipelines.generate import frames_of, size_of
from vedit.pipelines.opening import DEFAULT_ATTENTION, Job, examine
from vedit.priors import inversion
from vedit.tuning import tuned_parameters

Rows = list[list[str]]

ADAM = 2
"""Numbers in float32 that the optimizer keeps for each one that it tunes."""

_aten = torch.ops.aten
# The counter knows attention's kernels of CUDA but not the CPU's, which have the same arithmetic.
_COUNTED = {
    _aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop(q, k, v),
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda g, q, k, v, *_, **__: sdpa_backward_flop(
        g, q, k, v
    ),
}


@dataclass(frozen=True)
class Cost:
    """Of one pass: operations (a multiply-add is two), and the bytes of activations that it holds at most."""

    flop: float = 0.0
    bytes: float = 0.0


def estimate(config: Job | GenerateConfig) -> Iterator[tuple[str, Rows]]:
    """Tables of the settled settings, the work and the memory: title, rows. Loads no weights.

    Motion modules, LoRAs and third parties' conditioners are not counted. Raises MediaError and WeightsError as the
    job itself would.
    """
    settings = [[name, str(value)] for name, value in config.model_dump(mode="json").items()]
    sound = None if isinstance(config, TuneConfig | InvertConfig) else following.read(config)
    if isinstance(config, GenerateConfig):
        info, frames, rate = None, frames_of(config, sound), Fraction(str(config.fps))
    else:
        info, chosen = examine(config)
        frames, rate = len(chosen), info.rate / config.stride
    for spec in config.lora:
        split_scale(spec)  # says what is not there
    if config.adapter is not None:
        learned = str(Adapter.load(config.adapter).config.get("prompt", ""))
        if isinstance(config, EditConfig | InvertConfig) and config.source_prompt is None:
            config = config.model_copy(update={"source_prompt": learned})
    folder = config_folder(config.model)
    dtype = choose_dtype(config.dtype, choose_device(config.device))
    if isinstance(config, EditConfig):
        brought = guiding.brought(config, config.source_prompt or "", read_notes(folder))
        config = config.model_copy(update={"control": config.control or brought})
    model = Counted(folder, config, frames, dtype)
    if isinstance(config, EditConfig | GenerateConfig):
        moments = following.follow(config, frames, rate, sound).moments
        known = (folder / "tokenizer").is_dir()  # of a single file only the layout is known
        hearing.check_times(config, moments, read_tokenizer(folder, model.text) if known else None)
    yield "settings", settings
    if isinstance(config, GenerateConfig):
        size = size_of(config, model.unet_config, model.patch)
        told = [["frames", str(frames)], ["size", f"{size[1]}x{size[0]}"]]
    else:
        assert info is not None
        size = working_size(info.size, config.size, model.unet_config, model.patch)
        told = [
            ["frames", f"{frames} of {info.frames}"],
            ["size", f"{info.size[1]}x{info.size[0]}, worked on at {size[1]}x{size[0]}"],
        ]
    yield "clip", [*told, ["latents", f"{size[1] // model.patch}x{size[0] // model.patch}"]]
    work, activations = _work(config, model, size, frames)
    yield (
        "work",
        [
            *([name, f"{times} x {_flop(flop)}"] for name, times, flop in work),
            ["in all", _flop(sum(times * flop for _, times, flop in work))],
        ],
    )
    yield "memory, about", _memory(config, model, activations, frames, size)


@sources.permitted()
def config_folder(model: str) -> Path:
    """The folder with a model's configs; of a model on the hub, only these are fetched. Raises WeightsError."""
    path = at_home(model)
    if model in HUB_NAMES:
        return sources.from_hub(HUB_NAMES[model], weights=False)
    if sources.is_hub_id(model):
        return sources.from_hub(model, weights=False)
    if model == "mini" or not path.is_file():
        return sources.locate(model)
    names = dict.fromkeys(checkpoints.tensor_names(path), torch.empty(0))
    return sources.reference_folder(path, checkpoints.original_family(names, path))


class Counted:
    """A model's networks without content, as a job would run them."""

    def __init__(self, folder: Path, config: Job | GenerateConfig, frames: int, dtype: torch.dtype) -> None:
        check_family(folder)
        own = checkpoints.read_config(folder / "unet" / "config.json")
        inflated = own.get("_class_name") == "UNet3DConditionModel"
        self.unet_config = checkpoints.flat_unet_config(own) if inflated else own
        self.notes = read_notes(folder)
        self.dtype, self.frames = dtype, frames
        self.tuning = isinstance(config, TuneConfig) or (isinstance(config, EditConfig) and config.tune > 0)
        self._fake = FakeTensorMode()
        self.text = empty_text_encoder(folder)
        self.vae: AutoencoderKL = empty(AutoencoderKL, checkpoints.read_config(folder / "vae" / "config.json"))
        self.unet = empty_unet(self.unet_config)
        self.patch = int(2 ** (len(self.vae.config.block_out_channels) - 1))
        kind = registry.load("attention", config.attention or DEFAULT_ATTENTION)()
        context = StepContext(kind, "sdpa", frames)
        self.controls = [
            empty_controlnet(locate_for(each, folder, self.unet))
            for each in ((config.control or ()) if isinstance(config, EditConfig) else ())
        ]
        for network in (self.unet, *self.controls):
            for block in temporal.transformer_blocks(network):
                block.attn1.set_processor(FrameProcessor(context, across_frames=True))
                block.attn2.set_processor(FrameProcessor(context, across_frames=False))
        if self.tuning or inflated or config.adapter is not None:
            with Weightless():
                temporal.attach_temporal(self.unet, context)
        with self._fake:
            _shaped(self.vae, torch.float32)
            for network in (self.unet, *self.controls):
                _shaped(network, dtype)
        for network in (self.unet, self.vae, *self.controls):
            network.eval().requires_grad_(False)

    def predict(self, size: Size, branches: int) -> Cost:
        """One prediction of the noise, for pictures of ``size`` (H, W) and so many branches of guidance."""
        return self._measured(lambda: self._unet(size, branches))

    def steer(self, net: ControlNetModel, size: Size, branches: int) -> Cost:
        """What one of ``controls`` adds to a prediction."""
        own = branches if reads_words(net) else 1

        def run() -> None:
            pictures = torch.empty(own * self.frames, 3, *size, dtype=self.dtype)
            net(*self._inputs(size, own), controlnet_cond=pictures, return_dict=False)

        return self._measured(run)

    def learn(self, size: Size) -> Cost:
        """One step of tuning."""
        chosen = tuned_parameters(self.unet)
        for parameter in chosen.values():
            parameter.requires_grad_(True)
        try:
            with torch.enable_grad():
                return self._measured(lambda: self._unet(size, 1).float().square().mean().backward())
        finally:
            for parameter in chosen.values():
                parameter.requires_grad_(False)
                parameter.grad = None

    def encode(self, size: Size) -> Cost:
        """One frame through the VAE's encoder."""
        return self._measured(lambda: self.vae.encode(torch.empty(1, 3, *size)))

    def decode(self, size: Size) -> Cost:
        """One frame through the VAE's decoder."""
        height, width = (side // self.patch for side in size)
        return self._measured(lambda: self.vae.decode(torch.empty(1, 4, height, width)))

    def weights(self) -> float:
        """Bytes of all networks; the VAE's in float32."""
        networks = (self.unet, self.text, *self.controls)
        other = sum(each.numel() for network in networks for each in network.parameters())
        return other * self.dtype.itemsize + sum(each.numel() for each in self.vae.parameters()) * 4

    def tuned(self) -> int:
        """How many numbers tuning changes."""
        return sum(each.numel() for each in tuned_parameters(self.unet).values())

    def _unet(self, size: Size, branches: int) -> Tensor:
        return self.unet(*self._inputs(size, branches)).sample

    def _inputs(self, size: Size, branches: int) -> tuple[Tensor, Tensor, Tensor]:
        count = branches * self.frames
        latents = torch.empty(count, 4, *(side // self.patch for side in size), dtype=self.dtype)
        text = torch.empty(
            count,
            self.text.config.max_position_embeddings,
            self.unet.config.cross_attention_dim,
            dtype=self.dtype,
        )
        return latents, torch.zeros((), dtype=torch.long), text

    def _measured(self, run: Callable[[], object]) -> Cost:
        memory, work = _PeakMemory(), FlopCounterMode(display=False, custom_mapping=_COUNTED)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.tuning), self._fake, work, memory:
            run()
        return Cost(float(work.get_total_flops()), float(memory.peak))


def locate_for(control: ControlSettings, folder: Path, unet: UNet2DConditionModel) -> Path:
    """Where the ControlNet of a ``control`` is beside the model in ``folder``; of one on the hub, only its config."""
    width = unet.config.cross_attention_dim
    return locate(control.kind, control.net, width, folder, read_notes(folder), weights=False)


def _shaped(network: nn.Module, dtype: torch.dtype) -> None:
    """Give a network weights of its own shapes, made under the mode in force."""
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(torch.empty(parameter.shape, dtype=dtype), requires_grad=False))


class _PeakMemory(TorchDispatchMode):
    """The bytes of the tensors made within it that were alive at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._watch(leaf.untyped_storage())
        return result

    def _watch(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def _work(
    config: Job | GenerateConfig, model: Counted, size: Size, frames: int
) -> tuple[list[tuple[str, int, float]], float]:
    """The passes of a job, (what, how often, operations of each), and the largest activations in bytes."""
    encode, decode = model.encode(size), model.decode(size)
    work, largest = [("VAE, in", frames, encode.flop)], max(encode.bytes, decode.bytes)

    def add(name: str, times: int, cost: Cost) -> None:
        nonlocal largest
        work.append((name, times, cost.flop))
        largest = max(largest, cost.bytes)

    if isinstance(config, TuneConfig):
        add("tuning steps", config.steps, model.learn(size))
        return work, largest
    if isinstance(config, GenerateConfig):
        work.clear()  # no clip goes in
        add("denoising steps", config.steps, model.predict(size, _branches(config, model)))
        add("VAE, out", frames, decode)
        return work, largest
    once = model.predict(size, 1)
    if isinstance(config, InvertConfig):
        add("inversion steps", inversion.passes(config.steps, config.refine), once)
        add("reconstruction steps", config.steps, once)
        add("VAE, out", 2 * frames, decode)
        return work, largest
    if config.tune:
        add("tuning steps", config.tune, model.learn(size))
    inverted = config.prior == "inversion"
    if inverted:
        add("inversion steps", inversion.passes(config.steps, config.refine), once)
    if inverted and config.gate:
        add("reconstruction steps, if in doubt", config.steps_taken, once)
    if config.mask == "auto" and config.source_prompt and not _heard(config, model):
        add("comparisons of the prompts", len(NOISE_LEVELS) * SAMPLES, model.predict(size, 2))
    if config.mask.startswith("word:"):
        add("looks for the mask's word", len(word.NOISE_LEVELS), model.predict(size, 1))
    branches = _branches(config, model)
    for control, net in zip(config.control or (), model.controls, strict=True):
        begin = max(control.start, 1 - config.steps_taken / config.steps)
        acting = max(0, round((control.stop - begin) * config.steps))
        if inverted and config.control_inversion:
            passes = round((control.stop - control.start) * config.steps) * max(1, config.refine)
            passes += 1 if config.refine and control.stop == 1 else 0  # the first one, at the clean end
            passes += acting if config.gate else 0
            add(f"ControlNet {control.kind}, inverting", passes, model.steer(net, size, 1))
        add(f"ControlNet {control.kind}", acting, model.steer(net, size, branches))
    lent = round(config.inject * config.steps_taken)
    add("denoising steps with the source", lent, model.predict(size, branches + 1))
    add("denoising steps", config.steps_taken - lent, model.predict(size, branches))
    add("VAE, out", (3 if inverted and config.gate else 2) * frames, decode)
    return work, largest


def _branches(config: EditConfig | GenerateConfig, model: Counted) -> int:
    """How many prompts there are in a step: the negative, the config's own, and what a sound says."""
    return 3 if _heard(config, model) else 1 if config.guidance == 1 and config.audio is None else 2


def _heard(config: EditConfig | GenerateConfig, model: Counted) -> bool:
    return config.audio is not None and hearing.heeded(config, bool(model.notes.sound_encoder)) != 0


def _memory(config: Job | GenerateConfig, model: Counted, activations: float, frames: int, size: Size) -> Rows:
    height, width = size
    trace = 0.0
    if isinstance(config, EditConfig | InvertConfig):
        trace = (config.steps + 1) * frames * 4 * (height // model.patch) * (width // model.patch) * 4
    parts = {
        "weights": model.weights(),
        "activations, at most": activations,
        "optimizer": model.tuned() * 4 * ADAM if model.tuning else 0.0,
        "inversion": trace,
        "frames": float(2 * frames * 3 * height * width * 4),
    }
    rows = [[name, _bytes(size)] for name, size in parts.items() if size]
    return [*rows, ["in all", _bytes(sum(parts.values()))]]


def _flop(count: float) -> str:
    return f"{count / 1e12:,.3f} TFLOP" if count >= 1e11 else f"{count / 1e9:.3f} GFLOP"


def _bytes(count: float) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**29 else f"{count / 2**20:.1f} MiB"
