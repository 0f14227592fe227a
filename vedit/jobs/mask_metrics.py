"""How well an edit keeps what its mask closes, and how much it changes what that opens."""

from __future__ import annotations

from torch import Tensor

from vedit.clip.sizes import Size
from vedit.mapped import in_chunks
from vedit.masks import untouched_pixels
from vedit.quality import Fidelity


def of(edited: Fidelity, round_trip: Fidelity, mask: Tensor | None, size: Size) -> dict[str, float]:
    """PSNR in dB against the source, of the edit and of the VAE alone, for pictures of ``size`` (H, W).

    "outside_db" and "outside_vae_db" are of the pixels that the ``mask`` on latents (F, 1, h, w) closes, "inside_db"
    and "inside_vae_db" of those that it opens by half or more. Without a mask all pixels are inside. Regions without
    pixels are left out.
    """
    if mask is None:
        return {"inside_db": edited.db, "inside_vae_db": round_trip.db}
    regions = {"inside": untouched_pixels((mask < 0.5).float(), size), "outside": untouched_pixels(mask, size)}
    found = {"db": edited, "vae_db": round_trip}
    return {
        f"{at}_{of}": each.within(where) for at, where in regions.items() if _any(where) for of, each in found.items()
    }


def _any(where: Tensor) -> bool:
    """Whether any pixel (F, 1, H, W) is chosen."""
    return any(bool(where[chunk].any()) for chunk in in_chunks(len(where), where))
