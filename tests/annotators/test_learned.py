"""Annotators with networks: what is done around them here, with small networks; and controlnet_aux's own ones, where
it can be imported (docs/annotators.md says how to make an environment in which it can)."""

from __future__ import annotations

import os
import pickle
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from torch import Tensor, library, nn

from vedit.annotators.learned import Depth, Learned, LineArt, SoftEdge, from_hub, read_weights, working_size
from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.errors import PartError, WeightsError


class Grey(Learned):
    """A network of four numbers: the brightness, and how far up a pixel is."""

    kind = "grey"
    file = "grey.pth"

    def network(self) -> nn.Module:
        return nn.Conv2d(3, 1, 1)

    def look(self, network: nn.Module, frame: Tensor) -> Tensor:
        self.seen = frame.shape
        return network(frame)


class Flat(Depth):
    """Depth by another network: the same numbers, read off a frame's red."""

    def network(self) -> nn.Module:
        return nn.Conv2d(3, 1, 1)

    def look(self, network: nn.Module, frame: Tensor) -> Tensor:
        return 7.0 + 30.0 * frame[:, :1]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder with weights that make the mean of three colours."""
    torch.save({"weight": torch.full((1, 3, 1, 1), 1 / 3), "bias": torch.zeros(1)}, tmp_path / "grey.pth")
    torch.save({"weight": torch.zeros(1, 3, 1, 1), "bias": torch.zeros(1)}, tmp_path / Depth().file)
    return tmp_path


def clip(frames: int = 2, size: tuple[int, int] = (48, 80)) -> Clip:
    across = torch.linspace(0, 1, size[1]).expand(3, *size)
    return Clip(torch.stack([across * (index + 1) / frames for index in range(frames)]), Fraction(8))


def test_pictures_have_the_clips_size_and_the_network_its_own(weights: Path) -> None:
    part = Grey(Grey.Options(weights=weights, resolution=128))
    source = clip()
    drawn = part.annotate(source).frames
    assert part.seen == (1, 3, 128, 192)
    assert drawn.shape == source.frames.shape
    assert drawn.dtype == torch.float32
    assert float((drawn - source.frames).abs().max()) < 0.02
    assert torch.equal(drawn, part.annotate(source).frames)
    drawn.add_(1.0)  # an ordinary tensor, not one of inference


@pytest.mark.parametrize(
    ("size", "resolution", "expected"),
    [
        ((128, 128), 512, (512, 512)),
        ((720, 1280), 512, (512, 896)),
        ((1280, 720), 512, (896, 512)),
        ((1, 1), 64, (64, 64)),
        ((5, 500), 64, (64, 6400)),
    ],
)
def test_working_sizes_keep_the_aspect(size: tuple[int, int], resolution: int, expected: tuple[int, int]) -> None:
    assert working_size(size, resolution) == expected


def test_depth_has_one_scale_for_the_clip(weights: Path) -> None:
    """A scale for each frame would make one that darkens as bright as the others."""
    drawn = Flat(Flat.Options(weights=weights, resolution=64)).annotate(clip(2)).frames
    assert (float(drawn.min()), float(drawn.max())) == (0.0, 1.0)
    assert float(drawn[0].max()) == pytest.approx(0.5, abs=0.01)
    assert torch.equal(Flat(Flat.Options(weights=weights, resolution=64)).annotate(LazyClip.of(clip(2))).frames, drawn)
    level = Clip(torch.full((2, 3, 32, 32), 0.5), Fraction(8))
    assert torch.equal(Flat(Flat.Options(weights=weights)).annotate(level).frames, torch.zeros(2, 3, 32, 32))


@pytest.mark.parametrize("kind", [Grey, Flat])
def test_a_network_looks_once_at_each_frame_and_pictures_come_one_by_one(kind: type[Learned], weights: Path) -> None:
    looks = 0

    class Counting(kind):  # type: ignore[misc,valid-type]
        def look(self, network: nn.Module, frame: Tensor) -> Tensor:
            nonlocal looks
            looks += 1
            found: Tensor = super().look(network, frame)
            return found

    alive: set[int] = set()

    def make(numbers: Sequence[int]) -> Iterator[Tensor]:
        for number in numbers:
            frame = torch.full((3, 32, 32), number / 20)
            alive.add(number)
            weakref.finalize(frame, alive.discard, number)
            yield frame

    pictures = Counting(Counting.Options(weights=weights)).annotate(LazyClip(make, 20, (32, 32), Fraction(8))).pictures
    assert isinstance(pictures, LazyClip)
    shown = set()
    for picture in pictures.frames:
        shown.add(round(float(picture.mean()), 2))
        assert len(alive) < 4
    assert (looks, len(shown)) == (20, 20)


@pytest.mark.parametrize("part", [SoftEdge, Depth, LineArt])
def test_what_is_missing_is_told(part: type[Learned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["controlnet_aux", *(name for name in sys.modules if name.startswith("controlnet_aux."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PartError, match=rf"'{part.kind}' needs controlnet_aux.*pip install 'vedit\[annotators\]'"):
        part().annotate(clip())
    with pytest.raises(WeightsError, match=rf"{part().file} is not there; expected"):
        part(part.Options(weights=tmp_path)).annotate(clip())


def test_a_library_that_is_there_but_broken_is_told(weights: Path) -> None:
    class Broken(Grey):
        def network(self) -> nn.Module:
            raise RuntimeError("operator torchvision::nms does not exist")

    with pytest.raises(PartError, match=r"'grey' .* does not work here \(operator .* see docs/annotators.md"):
        Broken(Broken.Options(weights=weights)).annotate(clip())


def test_the_hub_is_asked_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"sk_model.pth of 'lllyasviel/Annotators' is not in the local cache"):
        from_hub("sk_model.pth")
    place = tmp_path / "models--lllyasviel--Annotators"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (place / "snapshots" / ("0" * 40) / "sk_model.pth").write_bytes(b"x")
    assert from_hub("sk_model.pth").read_bytes() == b"x"


class Payload:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, ("opened",)


@pytest.mark.parametrize(
    ("save", "said"),
    [
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_text("hello"), "cannot be read"),
        (lambda path: torch.save({"weight": Payload()}, path), "cannot be read"),
        (lambda path: path.write_bytes(pickle.dumps({"weight": Payload()})), "cannot be read"),
        (lambda path: torch.save([1, 2], path), "holds no weights"),
        (lambda path: torch.save({"epoch": 3}, path), "holds no weights"),
        (lambda path: torch.save({"weight": torch.zeros(1, 3, 1, 1)}, path), "does not fit"),
        (lambda path: torch.save({"weight": torch.zeros(2), "bias": torch.zeros(1)}, path), "does not fit"),
    ],
    ids=["empty", "text", "code", "a pickle", "a list", "a number", "too few", "of another shape"],
)
def test_weights_that_cannot_be_are_one_line(
    save: Callable[[Path], object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "grey.pth")
    with pytest.raises(WeightsError, match=f"grey.pth {said}"):
        Grey(Grey.Options(weights=tmp_path)).annotate(clip())
    assert [path.name for path in tmp_path.iterdir()] == ["grey.pth"], "no code was run"


def test_weights_as_training_leaves_them(tmp_path: Path) -> None:
    for content in ({"state_dict": {"module.a": torch.ones(2)}, "epoch": 3}, {"model": {"a": torch.ones(2)}}):
        torch.save(content, tmp_path / "w.pth")
        assert torch.equal(read_weights(tmp_path / "w.pth")["a"], torch.ones(2))


# controlnet_aux's own networks, with random weights, beside its own detectors.


@pytest.fixture(scope="module")
def _controlnet_aux() -> None:
    """controlnet_aux, importable. With PyTorch for CPUs, the torchvision of PyPI lacks its operators, which are only
    declared here: nothing calls them."""
    if find_spec("controlnet_aux") is None:
        pytest.skip("controlnet_aux is not installed; docs/annotators.md says how to run this in its own environment")
    if sys.platform == "linux" and torch.version.cuda is None:
        for name in ("nms", "qnms"):
            library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def stirred(network: nn.Module) -> nn.Module:
    """With weights that make something of a picture: as they are made, the outputs are next to constant."""
    for parameter in network.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(1.6)
    return network.eval()


def detector(part: Learned, network: nn.Module) -> Any:
    if isinstance(part, Depth):
        from controlnet_aux import MidasDetector

        return MidasDetector(network)
    if isinstance(part, LineArt):
        from controlnet_aux import LineartDetector

        return LineartDetector(network, network)
    from controlnet_aux import HEDdetector, PidiNetDetector

    return (HEDdetector if part.options.detector == "hed" else PidiNetDetector)(network)


@pytest.mark.usefixtures("_controlnet_aux")
@pytest.mark.parametrize(
    ("part", "options"),
    [
        (SoftEdge, {"detector": "hed"}),
        (SoftEdge, {"detector": "pidinet"}),
        (Depth, {}),
        (LineArt, {}),
        (LineArt, {"coarse": True}),
    ],
    ids=["hed", "pidinet", "depth", "lineart", "lineart, coarse"],
)
def test_pictures_are_those_of_controlnet_auxs_detectors(
    part: type[Learned], options: dict[str, Any], tmp_path: Path
) -> None:
    made = part(part.Options(weights=tmp_path, resolution=128, **options))
    with warnings.catch_warnings(action="ignore"), torch.random.fork_rng():
        torch.manual_seed(0)
        network = stirred(made.network())
    state = network.state_dict()
    pidinet = options.get("detector") == "pidinet"
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}} if pidinet else state, tmp_path / made.file)
    pixels = (
        np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), dtype=np.uint8).repeat(64, 1).repeat(64, 2)[:, :128]
    )
    source = Clip(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0, Fraction(8))
    for frame, picture in zip(source.frames, pixels, strict=True):
        drawn = made.annotate(Clip(frame[None], Fraction(8))).frames[0]
        assert drawn.std() > 0.01
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            theirs = detector(made, network)(picture, detect_resolution=128, image_resolution=128, output_type="np")
        assert float((drawn.permute(1, 2, 0) * 255 - torch.from_numpy(theirs).float()).abs().max()) < 1.01
    assert made.annotate(source).frames.shape == source.frames.shape
