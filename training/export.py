"""Last stage: the finished model's folder becomes the package's, with the notes that vedit reads beside it.

``python -m training.export``
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from training.data import frame_batch
from training.loop import note
from training.presets import WORKSHOP
from vedit.backbone.model_files import MINI

ABOUT = (
    "a miniature of Stable Diffusion that knows one small procedural world: coloured shapes and walking figures "
    "moving over six grounds at 128 pixels, in clear air, rain or snow"
)

LEARNING_RATE = 2e-3
"""What one-shot tuning takes on so narrow a network; Stable Diffusion's 3e-5 would not move it."""

EDIT_CONTROLS = ("edge", "flow:0.5")
"""What holds shapes in an edit that leaves them as they are, as measured on development clips."""

EDIT = {"guidance": 4.5, "guidance_interval": "0-0.85"}
"""What suits edits, as measured on development clips."""

GENERATE = {"guidance": 4.0, "guidance_interval": "0-0.5"}
"""What suits clips of words, as measured on development captions."""

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.0",
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Peak signal to noise ratio of each frame in dB; (B, 3, H, W) in [0, 1] to (B,)."""
    return -10 * (a - b).square().mean((1, 2, 3)).log10()


@torch.no_grad()
def floor_of(vae: AutoencoderKL) -> float:
    """What counts as plainly not of this world, in dB: a round trip worse than that of nearly any of its own frames."""
    _, frames, _ = frame_batch(200, torch.Generator().manual_seed(3), 0.0)
    again = vae.decode(vae.encode(frames * 2 - 1).latent_dist.mean).sample / 2 + 0.5
    return float(psnr(again.clamp(0, 1), frames).quantile(0.01)) - 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=WORKSHOP)
    parser.add_argument("--out", type=Path, default=Path(MINI))
    arguments = parser.parse_args()
    model, out = arguments.model, arguments.out
    floor = floor_of(AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32))
    (model / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")
    note(
        model, about=ABOUT, vae_floor_db=round(floor, 1), learning_rate=LEARNING_RATE, edit_controls=EDIT_CONTROLS,
        edit=EDIT, generate=GENERATE,
    )  # fmt: skip
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(model, out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.1f} MB, floor of the VAE's round trip {floor:.1f} dB")


if __name__ == "__main__":
    main()
