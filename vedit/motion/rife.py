"""RIFE: a network that makes the frame in the middle of two.

Source: Huang et al. 2022, "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", sections 3.1 and 3.2,
in the form of the weights that its authors publish as HDv3: three blocks from coarse to fine, without the context and
fusion networks.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vedit.backbone import checkpoints
from vedit.backbone.meta_device import MetaParameters
from vedit.errors import WeightsError
from vedit.flow import centres, sample

WIDTH = 90
"""Channels of a block."""

SCALES = (4, 2, 1)
"""How many times smaller than the pictures each block sees them."""

MULTIPLE = 4 * SCALES[0]
"""Sides that the coarsest block can halve twice are multiples of this."""

TEACHER = "block_tea."
"""What the names of weights begin with that training alone needs."""

OTHER = "expected the weights of RIFE HDv3 (flownet.pkl, or the same as .safetensors)"


class Rife(nn.Module):
    """From two pictures to the one in the middle of them."""

    def __init__(self) -> None:
        super().__init__()
        self.block0, self.block1, self.block2 = (Block() for _ in SCALES)

    @torch.no_grad()
    def forward(self, first: Tensor, last: Tensor) -> Tensor:
        """The picture (3, H, W) in the middle of two (3, H, W), all in [0, 1], on the CPU.

        Each block betters the flow from the middle to both ends, and how much each end counts in each place. It is
        asked in both directions, whose mean has no preference, so that a clip played backwards is the same.
        """
        height, width = first.shape[1:]
        device = next(self.parameters()).device
        one, two = (self._padded(each.to(device)) for each in (first, last))
        flow, counts = one.new_zeros(1, 4, *one.shape[2:]), one.new_zeros(1, 1, *one.shape[2:])
        for block, scale in zip((self.block0, self.block1, self.block2), SCALES, strict=True):
            shown = _moved(one, flow[:, :2]), _moved(two, flow[:, 2:])
            there, more = block(torch.cat([*shown, counts], 1), flow, scale)
            back, less = block(torch.cat([*shown[::-1], -counts], 1), _turned(flow), scale)
            flow, counts = flow + (there + _turned(back)) / 2, counts + (more - less) / 2
        share = counts.sigmoid()
        made = share * _moved(one, flow[:, :2]) + (1 - share) * _moved(two, flow[:, 2:])
        return made[0, :, :height, :width].clamp(0, 1).cpu()

    @staticmethod
    def _padded(picture: Tensor) -> Tensor:
        """(1, 3, H', W') with the last row and column repeated until blocks can halve both sides."""
        down, across = (-length % MULTIPLE for length in picture.shape[1:])
        return F.pad(picture[None], (0, across, 0, down), mode="replicate")


class Block(nn.Module):
    """Betters a flow, at one scale. The names of its layers are those of the published files."""

    def __init__(self) -> None:
        super().__init__()
        half = WIDTH // 2
        self.conv0 = nn.Sequential(_convolution(3 + 3 + 1 + 4, half, 2), _convolution(half, WIDTH, 2))
        for number in range(4):
            setattr(self, f"convblock{number}", nn.Sequential(_convolution(WIDTH, WIDTH), _convolution(WIDTH, WIDTH)))
        self.conv1, self.conv2 = _larger(4), _larger(1)

    def forward(self, shown: Tensor, flow: Tensor, scale: int) -> tuple[Tensor, Tensor]:
        """What is to be added to the flow (1, 4, H, W), and to how much the first picture counts (1, 1, H, W).

        Args:
            shown: (1, 7, H, W) both pictures, moved along the flow, and how much the first counts
            flow: (1, 4, H, W) in pixels, from the middle to the first and to the last
            scale: how many times smaller it looks at these
        """
        small = F.interpolate(shown, scale_factor=1 / scale, mode="bilinear", align_corners=False)
        slow = F.interpolate(flow, scale_factor=1 / scale, mode="bilinear", align_corners=False) / scale
        x = self.conv0(torch.cat([small, slow], 1))
        for number in range(4):
            x = x + getattr(self, f"convblock{number}")(x)
        more, counts = (
            F.interpolate(each(x), scale_factor=scale, mode="bilinear", align_corners=False)
            for each in (self.conv1, self.conv2)
        )
        return more * scale, counts


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.PReLU(after))


def _larger(after: int) -> nn.Sequential:
    """Four times as large."""
    once = nn.ConvTranspose2d(WIDTH, WIDTH // 2, 4, 2, 1)
    return nn.Sequential(once, nn.PReLU(WIDTH // 2), nn.ConvTranspose2d(WIDTH // 2, after, 4, 2, 1))


def _turned(flow: Tensor) -> Tensor:
    """A flow to both ends with these exchanged."""
    return torch.cat([flow[:, 2:], flow[:, :2]], 1)


def _moved(picture: Tensor, flow: Tensor) -> Tensor:
    """What a picture (1, 3, H, W) shows at the ends of a flow (1, 2, H, W)."""
    size = int(flow.shape[2]), int(flow.shape[3])
    return sample(picture, centres(size, size).to(flow) + flow.permute(0, 2, 3, 1))


def load_rife(path: Path, device: torch.device) -> Rife:
    """The network of a file of weights, .safetensors or a pickle that holds nothing but tensors.

    Raises WeightsError for a file that is not there, is damaged, or holds other weights, those of RIFE 4 among them.
    """
    if not path.is_file():
        raise WeightsError(f"'{path}' {'is a folder' if path.is_dir() else 'does not exist'}; {OTHER}.")
    tensors = {name.removeprefix("module."): each.float() for name, each in checkpoints.read_tensors(path).items()}
    own = {name: each for name, each in tensors.items() if not name.startswith(TEACHER)}
    with MetaParameters():
        network = Rife()
    wanted = {name: each.shape for name, each in network.state_dict().items()}
    found = {name: each.shape for name, each in own.items()}
    if found != wanted:
        names = [name for name in (*wanted, *found) if wanted.get(name) != found.get(name)]
        raise WeightsError(f"'{path}' holds the weights of another network ('{names[0]}' differs); {OTHER}.")
    network.load_state_dict(own, assign=True)
    return network.eval().requires_grad_(False).to(device)
