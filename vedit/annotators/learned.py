"""Soft edges, depth and line art: networks of controlnet_aux, with weights of a local folder or of the hub.

The networks are controlnet_aux's own; reading their weights and running them over a clip is done here, so that a file
of weights can run no code, a network saved on CUDA loads without it, and depth has one scale for the whole clip.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from vedit.annotators import CPU, Annotation, FrameByFrame
from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import Size, fit_size, resize
from vedit.config import InputPath, Settings
from vedit.errors import PartError, WeightsError, first_line
from vedit.warning_filters import filtered

HUB = "lllyasviel/Annotators"
"""Where the weights are fetched from when no folder is named."""

STRIDE = 64
"""Pixels: the networks work at sides that are multiples of it."""


class Learned(FrameByFrame):
    """What the annotators with a network have in common: weights, the working size, one frame at a time."""

    class Options(Settings):
        """Of every annotator with a network."""

        weights: InputPath | None = Field(
            None, description=f"Folder of weights; by default they are fetched from {HUB}."
        )
        resolution: int = Field(512, ge=STRIDE, le=4096, description="Shorter side at which the network looks.")

    options: Options
    kind: ClassVar[str]

    @property
    @abstractmethod
    def file(self) -> str:
        """The name of the file of weights, as on the hub."""

    @abstractmethod
    def network(self) -> nn.Module:
        """controlnet_aux's network, its weights still to be read."""

    @abstractmethod
    def look(self, network: nn.Module, frame: Tensor) -> Tensor:
        """What the network says of a frame (1, 3, h, w) in [0, 1], as (1, 1, h, w)."""

    def drawn(self, found: LazyClip, size: Size) -> LazyClip:
        """The pictures, of ``size`` (H, W), of what the network finds: frames (1, h, w) of its own size."""
        return replace(found.mapped(lambda each: _picture(_at_size(each, size).clamp(0.0, 1.0))), size=size)

    def annotate(self, clip: Clip | LazyClip, device: torch.device = CPU) -> Annotation:
        """Raises PartError without controlnet_aux, and WeightsError for weights that are missing or do not fit."""
        network = self._open().to(device)
        inside = working_size(clip.size, self.options.resolution)

        def find(frame: Tensor) -> Tensor:
            with torch.inference_mode():
                found = self.look(network, resize(frame[None].to(device), inside)).float().cpu()[0]
            return found.clone()  # an ordinary tensor

        return Annotation(self.drawn(replace(LazyClip.of(clip).mapped(find), size=inside), clip.size))

    def _open(self) -> nn.Module:
        """The network with its weights; nothing is fetched where controlnet_aux is missing."""
        folder = self.options.weights
        path = None if folder is None else in_folder(self.file, folder)
        try:
            with filtered("ignore"):  # it imports all of its detectors, and some complain
                network = self.network()
        except ImportError as error:
            raise PartError(
                f"'{self.kind}' needs controlnet_aux, which cannot be imported here ({error}); "
                "pip install 'vedit[annotators]'"
            ) from error
        except Exception as error:  # as a torchvision that was built for another PyTorch fails
            raise PartError(
                f"'{self.kind}' needs controlnet_aux, which is installed but does not work here ({error}); see "
                "docs/annotators.md for an environment in which it does."
            ) from error
        path = path or from_hub(self.file)
        try:
            network.load_state_dict(read_weights(path))
        except RuntimeError as error:
            reason = first_line(error).rstrip(":")
            raise WeightsError(f"{path} does not fit: {reason}; expected {self.file} of {HUB}.") from error
        return network.eval()


class SoftEdge(Learned):
    """Soft edges, bright on black, by HED or by PiDiNet."""

    kind = "soft_edge"

    class Options(Learned.Options):
        """Which network."""

        detector: Literal["hed", "pidinet"] = Field("hed", description="Network.")

    options: Options

    @property
    def file(self) -> str:
        return {"hed": "ControlNetHED.pth", "pidinet": "table5_pidinet.pth"}[self.options.detector]

    def network(self) -> nn.Module:
        if self.options.detector == "hed":
            from controlnet_aux.hed import ControlNetHED_Apache2

            return ControlNetHED_Apache2()
        from controlnet_aux.pidi.model import pidinet

        return pidinet()

    def look(self, network: nn.Module, frame: Tensor) -> Tensor:
        if self.options.detector == "pidinet":
            return network(frame.flip(1))[-1]  # it was trained on BGR
        size = frame.shape[-2:]
        sides = [functional.interpolate(side, size, mode="bilinear") for side in network(frame * 255.0)]
        return torch.stack(sides).mean(0).sigmoid()


class Depth(Learned):
    """Inverse depth by MiDaS (DPT hybrid), near is bright; nearest and furthest are those of the whole clip."""

    kind = "depth"

    @property
    def file(self) -> str:
        return "dpt_hybrid-midas-501f0c75.pt"

    def network(self) -> nn.Module:
        from controlnet_aux.midas.midas.dpt_depth import DPTDepthModel

        return DPTDepthModel(path=None, backbone="vitb_rn50_384", non_negative=True)

    def look(self, network: nn.Module, frame: Tensor) -> Tensor:
        return network(frame * 2.0 - 1.0)[None]

    def drawn(self, found: LazyClip, size: Size) -> LazyClip:
        """A scale for each frame, as for single pictures, would flicker. Where all is equally far, all is black.

        What the network finds is kept, which is smaller than pictures; to look twice would take twice as long.
        """
        kept = list(found.frames)
        ends = torch.stack([torch.stack(torch.aminmax(_at_size(each, size))) for each in kept])
        least, most = ends[:, 0].min(), ends[:, 1].max()
        across = (most - least).clamp_min(torch.finfo(ends.dtype).tiny)

        def make(indices: Sequence[int]) -> Iterator[Tensor]:
            return (_picture((_at_size(kept[index], size) - least) / across) for index in indices)

        return replace(found, make=make, size=size)


class LineArt(Learned):
    """Line drawings, white on black, fine or coarse."""

    kind = "lineart"

    class Options(Learned.Options):
        """Which lines."""

        coarse: bool = Field(False, description="Fewer, bolder lines.")

    options: Options

    @property
    def file(self) -> str:
        return "sk_model2.pth" if self.options.coarse else "sk_model.pth"

    def network(self) -> nn.Module:
        from controlnet_aux.lineart import Generator

        return Generator(3, 1, 3)

    def look(self, network: nn.Module, frame: Tensor) -> Tensor:
        return 1.0 - network(frame)  # it draws black on white


def _at_size(found: Tensor, size: Size) -> Tensor:
    """What was found in a frame (1, h, w) at its ``size`` (H, W)."""
    return functional.interpolate(found[None], size, mode="bilinear", align_corners=False, antialias=True)[0]


def _picture(grey: Tensor) -> Tensor:
    """A picture (3, H, W) of (1, H, W)."""
    return grey.repeat(3, 1, 1)


def working_size(size: Size, resolution: int) -> Size:
    """The size (H, W) at which a network looks: the shorter side near ``resolution``, each a multiple of ``STRIDE``."""
    scale = resolution / min(size)
    return fit_size(size, (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))), STRIDE)


def in_folder(file: str, folder: Path) -> Path:
    """A file of weights in a folder. Raises WeightsError where it is not there."""
    path = folder / file
    if not path.is_file():
        raise WeightsError(f"{path} is not there; expected {file} of {HUB}: put it there, or leave out weights.")
    return path


def from_hub(file: str) -> Path:
    """A file of weights of the hub, its local cache first. Raises WeightsError where it cannot be had."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(HUB, file))
    except Exception as error:  # the network fails in many libraries' ways; the cause stays attached
        raise WeightsError(
            f"{file} of '{HUB}' is not in the local cache and the hub cannot be reached ({type(error).__name__}): "
            "connect once to fetch it, or name a folder that holds it as weights."
        ) from error


def read_weights(path: Path) -> dict[str, Any]:
    """The tensors of a file by their names. Raises WeightsError where it is damaged or holds more than tensors."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise WeightsError(f"no permission to read '{path}'; ask for it, or name another folder.") from error
    except Exception as error:  # zip, pickle and torch each have errors of their own
        raise WeightsError(f"{path} cannot be read: damaged, or it holds more than weights; fetch it again.") from error
    for wrapper in ("state_dict", "model"):  # as training scripts leave them
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(each, Tensor) for each in content.values()):
        raise WeightsError(f"{path} holds no weights by name; fetch it again.")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}
