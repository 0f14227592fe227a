"""Putting a clip's own pixels back into an edit, wherever that does not show anything else."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size, resize
from vedit.mapped import CHUNK, drawn_in_chunks, let_go, room_for
from vedit.otsu import otsu

UNSEEN, PLAIN = 0.06, 0.12
"""By how much a colour channel changes at most where the clip's own pixel is put back wholly, and at least where the
edit's stays. The halo that an edit leaves around a thing changes less than the first in nine of ten pixels, as does
what the VAE loses; on 15 development clips of the miniature things change by 0.24 and more."""

UNSEEN_SHARE, PLAIN_SHARE = 0.25, 0.5
"""The same in shares of Otsu's threshold, for edits that are faint as a whole; whichever is less."""


def edited_share(edited: Tensor, original: Tensor, mask: Tensor) -> Tensor:
    """How much of each pixel is to be the edit's: (F, 1, H, W) in [0, 1].

    None where the mask leaves the source alone, which fades over the width of a latent: there the latents are the
    source's own, but the VAE loses detail of them, and its decoder lets what is inside of the mask show outside. And
    none inside of it where the edit hardly changes anything, since a mask on latents is wider than what it is for.

    Args:
        edited, original: frames (F, 3, H, W) in [0, 1], of one size
        mask: on latents (F, 1, h, w), in [0, 1]
    """
    change = drawn_in_chunks(_change, edited, original)
    threshold = otsu(change)
    unseen, plain = min(UNSEEN, UNSEEN_SHARE * threshold), min(PLAIN, PLAIN_SHARE * threshold)

    def draw(opened: Tensor, changed: Tensor) -> Tensor:
        inside = F.interpolate((opened > 0).to(changed), size=changed.shape[2:], mode="bilinear", align_corners=False)
        return inside * ((changed - unseen) / max(plain - unseen, 1e-6)).clamp(0, 1)

    return drawn_in_chunks(draw, mask, change)


def _change(edited: Tensor, original: Tensor) -> Tensor:
    """By how much the channel that changes most does: (F, 1, H, W), the mean over 3 x 3 pixels."""
    change = (edited.to(original) - original).abs().amax(1, keepdim=True)
    return F.avg_pool2d(F.pad(change, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def paste(edited: Tensor, original: Tensor, share: Tensor) -> Tensor:
    """``edited`` frames (F, 3, H', W') with the pixels of the ``original`` (F, 3, H, W) put back, at its size, but for
    the ``share`` (F, 1, H', W') of each that is the edit's."""
    pasted = room_for(original.shape, original.dtype)
    size: Size = int(original.shape[2]), int(original.shape[3])
    for index in range(len(original)):
        if index % CHUNK == 0:
            let_go(pasted, edited, original, share)
        one = slice(index, index + 1)
        of_edit = F.interpolate(share[one].to(original), size=size, mode="bilinear", align_corners=False)
        pasted[one] = torch.lerp(original[one], resize(edited[one].to(original), size), of_edit)
    return pasted
