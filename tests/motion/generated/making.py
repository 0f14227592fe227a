"""A flow diffusion for tests, not learnt at all: of random weights, in its folder."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.backbone import toys
from vedit.motion.generated.network import FlowDiffusion, FlowDiffusionConfig

SMALL = FlowDiffusionConfig(text_width=toys.TEXT_WIDTH, frames=4, cells=8, channels=[8, 16])


def flow_diffusion(seed: int = 0, config: FlowDiffusionConfig = SMALL) -> FlowDiffusion:
    torch.manual_seed(seed)
    return FlowDiffusion(config).eval().requires_grad_(False)


def flow_diffusion_folder(folder: Path, seed: int = 0) -> Path:
    flow_diffusion(seed).save(folder)
    return folder
