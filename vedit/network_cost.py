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
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, MotionAdapter, UNet2DConditionModel
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop, sdpa_flop

from vedit.attention.context import StepContext
from vedit.attention.kinds import ATTENTION, SparseCausal
from vedit.attention.processors import FrameProcessor
from vedit.backbone import checkpoints, temporal
from vedit.backbone.control import empty_controlnet, locate, reads_words
from vedit.backbone.deep_features import Inputs, run_and_look, run_outermost, run_whole
from vedit.backbone.loading import empty, empty_text_encoder, empty_unet
from vedit.backbone.meta_device import MetaParameters
from vedit.backbone.outline import Outline
from vedit.clip.sizes import Size
from vedit.graph import Work
from vedit.tuning.one_shot import Blocks, tuned_parameters

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


class NetworkCost:
    """A model's networks without weights, to count what passes through them cost.

    Args:
        outline: the model
        frames: of the clip that they run on
        attention: the kind in force
        work: what is to be counted
    """

    def __init__(self, outline: Outline, frames: int, attention: str, work: Sequence[Work]) -> None:
        assert outline.configs is not None, "a model in memory alone has no configs"
        folder = outline.configs
        self.dtype, self.frames, self.vae_scale_factor = outline.dtype, frames, outline.vae_scale_factor
        learning = [each for each in work if each.network == "learning"]
        self.tuning = bool(learning)
        self._learnt: Blocks = "all" if any(each.blocks == "all" for each in learning) else "up"
        self._fake = FakeTensorMode()
        self._predictions: dict[tuple[Size, int], Cost] = {}
        self.text = empty_text_encoder(folder)
        self.vae: AutoencoderKL = empty(AutoencoderKL, checkpoints.read_config(folder / "vae" / "config.json"))
        self.unet = empty_unet(outline.unet)
        kind = ATTENTION.make(attention)
        self._attention = context = StepContext(SparseCausal() if "flow" in kind.needs else kind, "sdpa", frames)
        self.controls = {
            part: empty_controlnet(locate(*part, outline.text_width, folder, outline.notes, weights=False))
            for part in dict.fromkeys(each.part for each in work if each.part is not None)
        }
        for network in (self.unet, *self.controls.values()):
            for block in temporal.transformer_blocks(network):
                block.attn1.set_processor(FrameProcessor(context, across_frames=True))
                block.attn2.set_processor(FrameProcessor(context, across_frames=False))
        self._first, self._context = copy.deepcopy((self.unet.down_blocks[0], context))
        if self.tuning or outline.layers.temporal:
            with MetaParameters():
                temporal.attach_temporal(self.unet, context)
        self._still, self._longest = self.unet, 0
        if outline.motion_config is not None:
            self._still = copy.deepcopy(self.unet, {id(context): context})
            motion = empty(MotionAdapter, outline.motion_config())
            temporal.attach_motion(self.unet, motion, context)
            self._longest = int(motion.config.motion_max_seq_length)
        networks = (*dict.fromkeys((self.unet, self._still)), self.vae, *self.controls.values())
        with self._fake:
            for network in networks:
                _shaped(network, torch.float32 if network is self.vae else self.dtype)
        for network in networks:
            network.eval().requires_grad_(False)
        self._weights = {each.untyped_storage()._cdata for one in networks for each in one.parameters()}

    def of(self, work: Work, size: Size) -> Cost:
        """One run of a network for pictures of ``size`` (H, W): on all frames that it sees at once; the VAE's, and of
        work that counts its own frames any, on one."""
        match work.network:
            case "vae encoder":
                return self.encode(size)
            case "vae decoder":
                return self.decode(size)
            case "learning":
                return self.learn(size)
            case "controlnet":
                assert work.part is not None
                return self.steer(self.controls[work.part], size, work.branches)
            case "unet":
                return self.predict(size, None if work.frames is None else 1) * work.branches
            case "outermost":
                return self.outermost(size) * work.branches

    def predict(self, size: Size, frames: int | None = None) -> Cost:
        """One prediction of the noise of so many ``frames`` of ``size`` (H, W), by default all that are seen at once,
        for one branch of guidance; each further one costs the same."""
        key = size, frames or self.frames
        if key not in self._predictions:
            self._predictions[key] = self._moved(
                lambda unet, count: self._measured(lambda: run_whole(unet, self._inputs(size, count), None)), key[1]
            )
        return self._predictions[key]

    def outermost(self, size: Size) -> Cost:
        """The same with deep features that were kept."""

        def cost(unet: UNet2DConditionModel, count: int) -> Cost:
            with self._fake, torch.no_grad():
                inputs = self._inputs(size, count)
                _, kept = run_and_look(unet, inputs, None)
            return self._measured(lambda: run_outermost(unet, inputs, kept))

        return self._moved(cost, self.frames)

    def steer(self, net: ControlNetModel, size: Size, branches: int) -> Cost:
        """The cost that one of ``controls`` adds to a prediction."""
        own = branches if reads_words(net) else 1

        def run() -> None:
            channels = net.config.conditioning_channels
            pictures = torch.empty(own * self.frames, channels, *size, dtype=self.dtype)
            net(*self._inputs(size, own * self.frames)[:3], controlnet_cond=pictures, return_dict=False)

        return self._measured(run)

    def learn(self, size: Size) -> Cost:
        """One step of tuning."""

        def cost(unet: UNet2DConditionModel, count: int) -> Cost:
            chosen = tuned_parameters(unet, blocks=self._learnt).values()
            for parameter in chosen:
                parameter.requires_grad_(True)
            try:
                with torch.enable_grad():
                    return self._measured(
                        lambda: run_whole(unet, self._inputs(size, count), None).float().square().mean().backward()
                    )
            finally:
                for parameter in chosen:
                    parameter.requires_grad_(False)
                    parameter.grad = None

        return self._moved(cost, self.frames)

    def encode(self, size: Size) -> Cost:
        """One frame through the VAE's encoder."""
        return self._measured(lambda: self.vae.encode(torch.empty(1, 3, *size)))

    def decode(self, size: Size) -> Cost:
        """One frame through the VAE's decoder."""
        height, width = (side // self.vae_scale_factor for side in size)
        return self._measured(lambda: self.vae.decode(torch.empty(1, 4, height, width)))

    def weights(self) -> float:
        """Bytes of all networks; the VAE's in float32."""
        networks = (self.unet, self.text, *self.controls.values())
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
        networks = (self.unet, self.text, self.vae, *self.controls.values())
        return 2.0 * max(sum(each.numel() for each in network.parameters()) for network in networks)

    def tuned(self) -> int:
        """How many parameters tuning changes."""
        return sum(each.numel() for each in tuned_parameters(self.unet, blocks=self._learnt).values())

    def _moved(self, cost: Callable[[UNet2DConditionModel, int], Cost], frames: int) -> Cost:
        """The ``cost`` of so many frames in a UNet, with its motion modules: what one of the windows adds, in which
        these see a long clip one after the other, counts for all of them."""
        still = self._seeing(frames, cost, self._still)
        if not self._longest or frames == 1:
            return still
        size = temporal.seen_at_once(frames, self._longest)
        moved, alone = (self._seeing(size, cost, unet) for unet in (self.unet, self._still))
        flop = (moved.flop - alone.flop) * len(temporal.window_starts(frames, size))
        return Cost(still.flop + flop, still.bytes + max(0.0, moved.bytes - alone.bytes))

    def _seeing(
        self, frames: int, cost: Callable[[UNet2DConditionModel, int], Cost], unet: UNet2DConditionModel
    ) -> Cost:
        self._attention.frames = frames
        try:
            return cost(unet, frames)
        finally:
            self._attention.frames = self.frames

    def _inputs(self, size: Size, count: int) -> Inputs:
        latents = torch.empty(count, 4, *(side // self.vae_scale_factor for side in size), dtype=self.dtype)
        text = torch.empty(
            count,
            self.text.config.max_position_embeddings,
            self.unet.config.cross_attention_dim,
            dtype=self.dtype,
        )
        return Inputs(latents, torch.zeros((), dtype=torch.long), text)

    def _measured(self, run: Callable[[], object]) -> Cost:
        memory, work = _PeakMemory(self._weights), FlopCounterMode(display=False, custom_mapping=_COUNTED)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.tuning), self._fake, work, memory:
            run()
        return Cost(float(work.get_total_flops()), float(memory.peak))


def _shaped(network: nn.Module, dtype: torch.dtype) -> None:
    """Give a network weights and buffers of its own shapes, made under the mode in force."""
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(torch.empty(parameter.shape, dtype=dtype), requires_grad=False))
        for name, values in module.named_buffers(recurse=False):
            setattr(module, name, torch.empty(values.shape, dtype=dtype))


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
