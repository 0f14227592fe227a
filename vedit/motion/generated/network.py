"""The network that denoises flow volumes, told by words and a picture's latents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from vedit.backbone.meta_device import MetaParameters
from vedit.backbone.model_files import reading_weights
from vedit.clip.sizes import Size
from vedit.errors import WeightsError
from vedit.motion.generated.volume import CHANNELS, FlowVolume
from vedit.motion.grid import resized
from vedit.motion.network_folder import check_weights, read_network_config, read_weights, save_network
from vedit.sampling.denoising import noise
from vedit.schedule import Schedule

KIND = "FlowDiffusion"
"""What its config says that it is of, as diffusers' do."""

SCHEDULE = {
    "num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction",
    "timestep_spacing": "trailing", "rescale_betas_zero_snr": True,
}  # fmt: skip
"""Of its noise. Flow is so smooth that it shows through all but pure noise, where sampling begins: so learning does too
(Lin et al. 2024, section 3)."""

PATCH = 2
"""Frames, rows and columns of cells that the network takes as one. Motion is so smooth that nothing is lost, and there
is an eighth of the work (Peebles & Xie 2023, section 3.2). A network that is hardly wider than its patches cannot pass
their noise on, and so predicts what is clean (Li & He 2025, section 3)."""

STEPS = 20
"""Of sampling."""

GUIDANCE = 2.0
"""How much more the words count than without guidance (Ho & Salimans 2022, eq. 6, whose w is one less)."""

Width = Annotated[int, Field(ge=8, le=512, multiple_of=8)]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class FlowDiffusionConfig:
    """What a network is made for.

    text_width: of the model's text encoder
    frames: that are sampled together
    cells: along the longer side of the picture
    scale: by which motion, as a share of the longer side, is multiplied: it should come to a deviation of about 1
    channels: of its levels, each half as fine as the one before, the first of patches
    """

    text_width: Annotated[int, Field(ge=1, le=8192)]
    frames: Annotated[int, Field(ge=2, le=256, multiple_of=PATCH)] = 16
    cells: Annotated[int, Field(ge=4, le=128)] = 16
    scale: Annotated[float, Field(gt=0, le=100)] = 5.0
    channels: Annotated[list[Width], Field(min_length=2, max_length=5)] = Field(default_factory=lambda: [32, 48])


class FlowDiffusion(nn.Module):
    """A small UNet over space and time.

    Source: Ni et al. 2023 (LFDM), section 3.3: the latent flow of a diffusion that is told by a text, with the
    picture's features beside it. The picture's features are the model's own latents.
    """

    def __init__(self, config: FlowDiffusionConfig) -> None:
        from diffusers import UNet3DConditionModel  # seconds to import, and not needed to say what is wrong with a job

        super().__init__()
        self.config = config
        deeper = len(config.channels) - 1
        self.unet = UNet3DConditionModel(
            sample_size=config.cells,
            # Of each patch the volume and the picture's latents, and how late it is.
            in_channels=CHANNELS * PATCH**3 + 4 * PATCH**2 + 1,
            out_channels=CHANNELS * PATCH**3,
            block_out_channels=tuple(config.channels),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock3D",) * deeper + ("DownBlock3D",),
            up_block_types=("UpBlock3D",) + ("CrossAttnUpBlock3D",) * deeper,
            norm_num_groups=8,
            cross_attention_dim=config.text_width,
            attention_head_dim=4,  # the number of heads: diffusers keeps the name that it once gave them
        )

    def forward(self, noisy: Tensor, times: Tensor, latents: Tensor, words: Tensor) -> Tensor:
        """The clean volumes that it predicts of noisy ones (B, F, 3, h, w).

        Args:
            times: (B,) timesteps
            latents: (B, 4, h, w) of each picture, on the volume's cells
            words: (B, T, D) what the text encoder says of each prompt
        """
        volume = _patches(noisy)  # (B, 3 * 8, F / 2, h / 2, w / 2)
        batch, _, frames, height, width = volume.shape
        beside = F.pixel_unshuffle(latents, PATCH)[:, :, None].expand(-1, -1, frames, -1, -1)
        late = torch.linspace(-1, 1, frames, device=noisy.device).view(1, 1, frames, 1, 1)
        told = torch.cat([volume, beside, late.expand(batch, -1, -1, height, width).to(noisy)], dim=1)
        return _cells(self.unet(told, times, words).sample)

    @torch.no_grad()
    def sample(self, words: Tensor, nothing: Tensor, latents: Tensor, cells: Size, seed: int) -> FlowVolume:
        """A motion of a picture, on ``cells`` (h, w), noise keyed by (seed, frame).

        Args:
            words: (1, T, D) what the text encoder says of the prompt
            nothing: (1, T, D) the same of no words
            latents: (1, 4, h', w') of the picture, scaled
        """
        schedule = Schedule.from_config(SCHEDULE, STEPS)
        device = latents.device
        x = noise(seed, self.config.frames, (CHANNELS, *cells)).to(device)
        beside = on_cells(latents, cells).repeat(2, 1, 1, 1)
        told = torch.cat([words, nothing]).to(beside)
        for index, time in enumerate(schedule.timesteps):
            both = self(x[None].expand(2, -1, -1, -1, -1), time.to(device).expand(2), beside, told)
            clean = both[1] + GUIDANCE * (both[0] - both[1])
            # The schedule takes v, which unlike the noise says something of the clean volume in pure noise too.
            x = schedule.step(x, schedule.output_for(x, clean, schedule.level(index, device)), index)
        return FlowVolume.unpacked(x.float().cpu(), self.config.scale)

    def save(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write config and weights, in half precision, into a folder. Raises MediaError."""
        save_network(self, self.config, KIND, folder, overwrite=overwrite)


def _patches(volume: Tensor) -> Tensor:
    """Volumes (B, F, C, h, w) as patches (B, 8 C, F / 2, h / 2, w / 2)."""
    batch, frames, channels, height, width = volume.shape
    split = volume.view(batch, frames // PATCH, PATCH, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    together = split.permute(0, 3, 2, 5, 7, 1, 4, 6)  # (B, C, 2, 2, 2, F / 2, h / 2, w / 2)
    return together.flatten(1, 4)


def _cells(patches: Tensor) -> Tensor:
    """The volumes (B, F, C, h, w) of patches (B, 8 C, F / 2, h / 2, w / 2)."""
    together = patches.unflatten(1, (-1, PATCH, PATCH, PATCH))  # (B, C, 2, 2, 2, F / 2, h / 2, w / 2)
    split = together.permute(0, 5, 2, 1, 6, 3, 7, 4)  # (B, F / 2, 2, C, h / 2, 2, w / 2, 2)
    return split.flatten(6, 7).flatten(4, 5).flatten(1, 2)


def on_cells(latents: Tensor, cells: Size) -> Tensor:
    """Latents (B, 4, h', w') of pictures on the cells (h, w) of a volume, in float32."""
    return resized(latents.float(), cells)


@reading_weights()
def read_flow_diffusion_config(folder: Path, text_width: int) -> FlowDiffusionConfig:
    """The config of the network in a folder, for a model of this ``text_width``. Raises WeightsError for what is none,
    and for one of another model."""
    config = read_network_config(folder, FlowDiffusionConfig, KIND, "training.flow_diffusion")
    if config.text_width != text_width:
        raise WeightsError(
            f"'{folder}' reads words of width {config.text_width}, this model's are {text_width} wide: they do not "
            "belong together."
        )
    check_weights(folder, "training.flow_diffusion")
    return config


@reading_weights()
def load_flow_diffusion(folder: Path, text_width: int, device: torch.device | str = "cpu") -> FlowDiffusion:
    """The network that ``FlowDiffusion.save`` wrote into a folder, in float32. Raises WeightsError for what is missing,
    damaged, or does not fit the model."""
    config = read_flow_diffusion_config(folder, text_width)
    with MetaParameters():
        network = FlowDiffusion(config)
    read_weights(network, folder, "flow diffusion")
    return network.to(device).eval().requires_grad_(False)
