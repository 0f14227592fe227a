"""What one pass through each network of a model costs, in operations and memory, counted without its weights.

They run on tensors that have shapes but no content.
"""

from __future__ import annotations

import copy
import math
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from vedit.backbone import checkpoints, model_files, temporal
from vedit.backbone.control import empty_controlnet, locate, reads_words
from vedit.backbone.loading import check_family, empty, empty_text_encoder, empty_unet
from vedit.backbone.meta_device import MetaParameters
from vedit.backbone.notes import read_notes
from vedit.clip.sizes import Size
from vedit.config import HUB_NAMES, ControlSettings, EditConfig, GenerateConfig, TuneConfig
from vedit.config.paths import expand_home
from vedit.pipelines.session import DEFAULT_ATTENTION, Job
from vedit.tuning import tuned_parameters

_aten = torch.ops.aten
# The counter knows attention's kernels of CUDA but not the CPU's, which have the same arithmetic.
_COUNTED = {
    _aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop(q, k, v),
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda g, q, k, v, *_, **__: sdpa_backward_flop(
        g, q, k, v
    ),
}


MOST_POSITIONS, TRIAL, BLOCK, PATIENCE = 2048, 15e9, 350, 0.3
"""A trial of the machine's speed: the most places of latents that it goes over, the most operations of it on a CPU, how
many there are for each place and each square of the channels, and the seconds for which it is repeated."""


@dataclass(frozen=True)
class Cost:
    """Of one pass: operations (a multiply-add is two), and the bytes of activations that it holds at most."""

    flop: float = 0.0
    bytes: float = 0.0

    def __mul__(self, times: int) -> Cost:
        """Of so many at once."""
        return Cost(self.flop * times, self.bytes * times)


@model_files.reading_weights()
def config_folder(model: str) -> Path:
    """The folder with a model's configs; of a model on the hub, only these are fetched. Raises WeightsError."""
    path = expand_home(model)
    if model in HUB_NAMES:
        return model_files.from_hub(HUB_NAMES[model], weights=False)
    if model_files.is_hub_id(model):
        return model_files.from_hub(model, weights=False)
    if model == "mini" or not path.is_file():
        return model_files.locate(model)
    names = dict.fromkeys(checkpoints.tensor_names(path), torch.empty(0))
    return model_files.reference_folder(path, checkpoints.original_family(names, path))


class NetworkCost:
    """A model's networks without weights, to count what passes through them cost."""

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
        self.vae_scale_factor = int(2 ** (len(self.vae.config.block_out_channels) - 1))
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
        self._first, self._context = copy.deepcopy((self.unet.down_blocks[0], context))
        if self.tuning or inflated or config.adapter is not None:
            with MetaParameters():
                temporal.attach_temporal(self.unet, context)
        with self._fake:
            _shaped(self.vae, torch.float32)
            for network in (self.unet, *self.controls):
                _shaped(network, dtype)
        for network in (self.unet, self.vae, *self.controls):
            network.eval().requires_grad_(False)
        networks = (self.unet, self.vae, *self.controls)
        self._weights = {each.untyped_storage()._cdata for one in networks for each in one.parameters()}

    @property
    def hears(self) -> bool:
        """Whether the model has a sound encoder."""
        return bool(self.notes.sound_encoder)

    def predict(self, size: Size) -> Cost:
        """One prediction of the noise, for pictures of ``size`` (H, W) and one branch of guidance; each further one
        costs the same."""
        return self._measured(lambda: self._unet(size))

    def steer(self, net: ControlNetModel, size: Size, branches: int) -> Cost:
        """The cost that one of ``controls`` adds to a prediction."""
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
                return self._measured(lambda: self._unet(size).float().square().mean().backward())
        finally:
            for parameter in chosen.values():
                parameter.requires_grad_(False)
                parameter.grad = None

    def encode(self, size: Size) -> Cost:
        """One frame through the VAE's encoder."""
        return self._measured(lambda: self.vae.encode(torch.empty(1, 3, *size)))

    def decode(self, size: Size) -> Cost:
        """One frame through the VAE's decoder."""
        height, width = (side // self.vae_scale_factor for side in size)
        return self._measured(lambda: self.vae.decode(torch.empty(1, 4, height, width)))

    def weights(self) -> float:
        """Bytes of all networks; the VAE's in float32."""
        networks = (self.unet, self.text, *self.controls)
        other = sum(each.numel() for network in networks for each in network.parameters())
        return other * self.dtype.itemsize + sum(each.numel() for each in self.vae.parameters()) * 4

    @torch.no_grad()
    def speed(self, size: Size, device: torch.device) -> float:
        """Operations a second on this ``device``, for pictures of ``size`` (H, W): of the UNet's first block, which is
        run with weights that mean nothing."""
        block = self._first.to_empty(device=device).to(self.dtype).eval()
        for parameter in block.parameters():
            parameter.fill_(0.01)
        channels = self.unet.config.block_out_channels[0]
        positions = int(min(MOST_POSITIONS, (TRIAL if device.type == "cpu" else 100 * TRIAL) / (BLOCK * channels**2)))
        height, width = (max(1, min(side // self.vae_scale_factor, math.isqrt(positions))) for side in size)
        self._context.frames = count = max(1, min(self.frames, positions // (height * width)))
        x = torch.full((count, channels, height, width), 0.1, device=device, dtype=self.dtype)
        given = {"temb": torch.zeros(count, self.unet.time_embedding.linear_2.out_features).to(x)}
        if getattr(block, "has_cross_attention", False):
            shape = count, self.text.config.max_position_embeddings, self.unet.config.cross_attention_dim
            given["encoder_hidden_states"] = torch.zeros(shape).to(x)
        with FlopCounterMode(display=False, custom_mapping=_COUNTED) as work:
            block(x, **given)
        fastest, begun = math.inf, time.perf_counter()
        while fastest == math.inf or time.perf_counter() - begun < PATIENCE:
            start = time.perf_counter()
            block(x, **given)[0].sum().item()
            fastest = min(fastest, time.perf_counter() - start)
        return float(work.get_total_flops()) / fastest

    def loading(self) -> float:
        """Bytes of the largest network as it mostly lies in files, two to a number: while it is read it lies in memory
        too."""
        networks = (self.unet, self.text, self.vae, *self.controls)
        return 2.0 * max(sum(each.numel() for each in network.parameters()) for network in networks)

    def tuned(self) -> int:
        """How many parameters tuning changes."""
        return sum(each.numel() for each in tuned_parameters(self.unet).values())

    def _unet(self, size: Size) -> Tensor:
        return self.unet(*self._inputs(size, 1)).sample

    def _inputs(self, size: Size, branches: int) -> tuple[Tensor, Tensor, Tensor]:
        count = branches * self.frames
        latents = torch.empty(count, 4, *(side // self.vae_scale_factor for side in size), dtype=self.dtype)
        text = torch.empty(
            count,
            self.text.config.max_position_embeddings,
            self.unet.config.cross_attention_dim,
            dtype=self.dtype,
        )
        return latents, torch.zeros((), dtype=torch.long), text

    def _measured(self, run: Callable[[], object]) -> Cost:
        memory, work = _PeakMemory(self._weights), FlopCounterMode(display=False, custom_mapping=_COUNTED)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.tuning), self._fake, work, memory:
            run()
        return Cost(float(work.get_total_flops()), float(memory.peak))


def locate_for(control: ControlSettings, folder: Path, unet: UNet2DConditionModel) -> Path:
    """The folder of the ControlNet of a ``control``, beside the model in ``folder``; from the hub only its config is
    fetched."""
    width = unet.config.cross_attention_dim
    return locate(control.kind, control.net, width, folder, read_notes(folder), weights=False)


def _shaped(network: nn.Module, dtype: torch.dtype) -> None:
    """Give a network weights of its own shapes, made under the mode in force."""
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(torch.empty(parameter.shape, dtype=dtype), requires_grad=False))


class _PeakMemory(TorchDispatchMode):
    """The bytes of the tensors made within it that were alive at the same time; the storages of ``weights``, which
    views of them share, are not counted."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._weights = weights
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
        if key not in self._known and key not in self._weights:
            self._known.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
