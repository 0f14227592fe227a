"""The hub's cache, without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.backbone import model_files
from vedit.backbone.loading import read_parts
from vedit.config import HUB_NAMES
from vedit.errors import WeightsError


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cache(hub: Path, repo: str, folder: Path, ignore: str = "") -> Path:
    """Put a folder into the hub's cache, as if it had been fetched."""
    place = hub / f"models--{repo.replace('/', '--')}"
    commit = "0" * 40
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    return Path(shutil.copytree(folder, place / "snapshots" / commit, ignore=shutil.ignore_patterns(ignore)))


def test_the_hubs_cache_is_used_offline(hub: Path, sd1: Path) -> None:
    with pytest.raises(WeightsError, match="not in the local cache"):
        load_backbone("someone/model")
    cache(hub, "someone/model", sd1)
    cache(hub, HUB_NAMES["sd15"], sd1)
    assert toys.same(load_backbone("someone/model"), read_parts(sd1))
    assert toys.same(load_backbone("sd15"), read_parts(sd1))


def test_a_cache_that_says_it_lacks_other_files_is_used(hub: Path, sd1: Path) -> None:
    """The hub's library calls a snapshot without the safety checker incomplete; it is all that is read here."""
    cache(hub, "someone/model", sd1)
    trees = hub / "models--someone--model" / "trees"
    trees.mkdir()
    from huggingface_hub._snapshot_download import TreeCacheEntry, write_tree_cache

    entry = TreeCacheEntry(size=1, blob_id="0", lfs_sha256=None, lfs_size=None, xet_hash=None)
    write_tree_cache(str(trees.parent), "0" * 40, {"safety_checker/model.safetensors": entry})
    assert toys.same(load_backbone("someone/model"), read_parts(sd1))


def test_an_unfinished_fetch_is_not_used(hub: Path, sd1: Path) -> None:
    snapshot = cache(hub, "someone/model", sd1)
    (snapshot / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(WeightsError, match="not in the local cache"):
        load_backbone("someone/model")


def test_a_single_file_finds_its_configs_in_the_cache(hub: Path, tmp_path: Path, sd2: Path) -> None:
    file = toys.original_file(sd2, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"put a folder 'model' beside it.*sd2-community"):
        load_backbone(file)
    cache(hub, HUB_NAMES["sd21"], sd2, ignore="*.safetensors")
    assert toys.same(load_backbone(file), read_parts(sd2))
    assert read_parts(file).scheduler["prediction_type"] == "v_prediction"


def test_only_what_is_read_is_fetched(monkeypatch: pytest.MonkeyPatch, sd1: Path) -> None:
    asked: dict[str, list[str]] = {}
    published = [path.relative_to(sd1).as_posix() for path in sd1.glob("*/*")]
    published += ["unet/diffusion_pytorch_model.bin", "safety_checker/model.safetensors", "v1-5.ckpt"]

    def fetch(repo: str, local_files_only: bool = False, allow_patterns: list[str] | None = None) -> str:
        if local_files_only:
            raise ValueError("not cached")
        asked[repo] = allow_patterns or []
        return str(sd1)

    monkeypatch.setattr(model_files, "list_repo_files", lambda _: published)
    monkeypatch.setattr(model_files, "snapshot_download", fetch)
    assert toys.same(load_backbone("someone/model"), read_parts(sd1))
    weights = [name for name in asked["someone/model"] if name.endswith((".safetensors", ".bin", ".ckpt"))]
    expected = ["diffusion_pytorch_model", "diffusion_pytorch_model", "model"]
    assert weights == [f"{part}/{stem}.safetensors" for part, stem in zip(toys.PARTS, expected, strict=True)]
