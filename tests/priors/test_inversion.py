"""Inversion, its way back, and its cache."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tests.backbone import toys
from vedit.backbone import Backbone, load_backbone
from vedit.priors.inversion import cached_invert, inversion_key, invert, reconstruct
from vedit.sampling import noise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toys.sd_folder(tmp_path_factory.mktemp("models") / "sd")


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    return load_backbone(folder, device="cpu")


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_there_and_back(tmp_path: Path, prediction: str) -> None:
    model = load_backbone(toys.sd_folder(tmp_path / "sd", prediction=prediction), device="cpu")
    latents = noise(0, 2, (4, 8, 8))
    text = model.embed(["a cat"])
    errors = []
    for steps in (5, 50):
        trace = invert(model, latents, text, steps)
        assert trace.shape == (steps + 1, 2, 4, 8, 8)
        assert torch.equal(trace[0], latents)
        errors.append(float((reconstruct(model, trace, text, steps) - latents).std()))
    # A random network is rough, but smaller steps must invert better.
    assert errors[1] < 0.6 * errors[0]


def test_the_cache_gives_the_same_and_computes_once(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents, text = noise(0, 2, (4, 8, 8)), backbone.embed(["a cat"])
    first = cached_invert(backbone, latents, text, 4, cache=tmp_path / "cache")
    files = list((tmp_path / "cache").iterdir())
    assert [file.suffix for file in files] == [".safetensors"]
    monkeypatch.setattr(type(backbone), "predict", None)  # any computing would fail
    assert torch.equal(cached_invert(backbone, latents, text, 4, cache=tmp_path / "cache"), first)


def test_the_key_knows_everything_that_matters(backbone: Backbone, folder: Path, tmp_path: Path) -> None:
    latents, text = noise(0, 2, (4, 8, 8)), backbone.embed(["a cat"])
    keys = {inversion_key(backbone, latents, text, 4)}
    assert inversion_key(backbone, latents.clone(), text.clone(), 4) in keys
    keys.add(inversion_key(backbone, latents + 1e-6, text, 4))
    keys.add(inversion_key(backbone, latents, backbone.embed(["a dog"]), 4))
    keys.add(inversion_key(backbone, latents, text, 5))
    with backbone.attending("full"):
        keys.add(inversion_key(backbone, latents, text, 4))
    other = load_backbone(toys.sd_folder(tmp_path / "other", seed=1), device="cpu")
    keys.add(inversion_key(other, latents, text, 4))
    half = load_backbone(folder, device="cpu", dtype="bfloat16")
    keys.add(inversion_key(half, latents, text, 4))
    tuned = load_backbone(folder, device="cpu")
    tuned.changed = "an adapter's hash"
    keys.add(inversion_key(tuned, latents, text, 4))
    assert len(keys) == 8


def test_several_at_once_write_one_whole_file(backbone: Backbone, tmp_path: Path) -> None:
    latents, text = noise(0, 1, (4, 8, 8)), backbone.embed(["a cat"])
    expected = invert(backbone, latents, text, 2)
    with ThreadPoolExecutor(1) as pool:
        found = list(pool.map(lambda _: cached_invert(backbone, latents, text, 2, cache=tmp_path), range(3)))
    assert all(torch.equal(each, expected) for each in found)
    assert len(list(tmp_path.iterdir())) == 1
