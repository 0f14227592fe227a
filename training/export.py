"""Stage 3: the trained parts as one folder in diffusers layout, in half precision. ControlNets are made for it after.

``python -m training.export --out vedit/miniature/weights``
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from transformers import CLIPTokenizer

from training.data import frame_batch
from training.diffusion import SCHEDULE, build
from training.loop import load_average, ship
from training.presets import PRESETS
from training.vae import load_joint

ABOUT = (
    "a miniature of Stable Diffusion that knows one small procedural world: coloured shapes and walking figures "
    "moving over six grounds at 128 pixels, in clear air, rain or snow"
)


LEARNING_RATE = 2e-3
"""What one-shot tuning takes on so narrow a network; Stable Diffusion's 3e-5 would not move it."""


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Peak signal to noise ratio of each frame in dB; (B, 3, H, W) in [0, 1] to (B,)."""
    return -10 * (a - b).square().mean((1, 2, 3)).log10()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--vae", type=Path, default=Path("runs/vae"))
    parser.add_argument("--diffusion", type=Path, default=Path("runs/diffusion"))
    parser.add_argument("--out", type=Path, default=Path("vedit/miniature/weights"))
    arguments = parser.parse_args()
    preset, out = PRESETS[arguments.preset], arguments.out
    vae = load_joint(arguments.vae, preset)
    tokenizer = CLIPTokenizer.from_pretrained(arguments.diffusion / "tokenizer")
    denoiser = build(preset, tokenizer)
    print("UNet at step", load_average(denoiser, arguments.diffusion / "unet.pt"))
    # What counts as plainly not of this world: a round trip worse than that of nearly any of its own frames.
    _, frames, _ = frame_batch(200, torch.Generator().manual_seed(3), 0.0)
    with torch.no_grad():
        again = vae.decode(vae.encode(frames * 2 - 1).latent_dist.mean).sample / 2 + 0.5
    floor = float(psnr(again.clamp(0, 1), frames).quantile(0.01)) - 1.5
    whole, out = out, out.with_name(f"{out.name}.part")
    shutil.rmtree(out, ignore_errors=True)
    for part, network in {"vae": vae, "unet": denoiser.unet, "text_encoder": denoiser.text_encoder}.items():
        ship(network, out / part)
    tokenizer.save_pretrained(out / "tokenizer")
    DDIMScheduler(**SCHEDULE).save_pretrained(out / "scheduler")
    index = {
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
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    notes = {
        "about": ABOUT,
        "vae_floor_db": round(floor, 1),
        "learning_rate": LEARNING_RATE,
    }
    (out / "vedit.json").write_text(json.dumps(notes, indent=2) + "\n")
    shutil.rmtree(whole, ignore_errors=True)
    out.rename(whole)
    out = whole
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.1f} MB, floor of the VAE's round trip {floor:.1f} dB")


if __name__ == "__main__":
    main()
