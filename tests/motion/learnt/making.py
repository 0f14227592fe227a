"""What is learnt of strokes, not learnt at all: networks of random weights in their folders."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.backbone import toys
from vedit.backbone import Backbone
from vedit.motion.learnt.completion import CompletionConfig, FlowCompletion
from vedit.motion.learnt.folder import COMPLETION, CONTROL

SMALL = CompletionConfig(channels=[8, 16, 16], side=64)


def completion(seed: int = 0, config: CompletionConfig = SMALL) -> FlowCompletion:
    """A network that says something else of each picture."""
    torch.manual_seed(seed)
    network = FlowCompletion.fresh(config)
    torch.nn.init.normal_(network.leave.weight, std=0.05)
    return network.eval().requires_grad_(False)


def learnt_folder(folder: Path, backbone: Backbone, seed: int = 0) -> Path:
    """Both networks, for a model."""
    completion(seed).save(folder / COMPLETION)
    toys.controlnet_folder(backbone.unet, folder / CONTROL, backbone.vae_scale_factor, channels=6)
    return folder
