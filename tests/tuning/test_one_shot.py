"""One-shot tuning: what changes, what does not, and the file that holds it."""

from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import world
from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.adapters.tuned import Adapter
from vedit.backbone import Backbone
from vedit.backbone.temporal import temporal_layers
from vedit.clip import Clip
from vedit.errors import DeviceError, MediaError, WeightsError
from vedit.sampling.denoising import noise
from vedit.shots import Shots
from vedit.tuning.one_shot import Recipe, tune, tuned_parameters

FRAMES = torch.rand((3, 3, 64, 64), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


def said(backbone: Backbone) -> Tensor:
    with torch.no_grad(), backbone.attending("sparse_causal"):
        return backbone.predict(noise(1, 3, (4, 8, 8))[None], 400, backbone.embed(["a cat"]))


def test_only_the_originals_parameters_change(backbone: Backbone) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.unet.state_dict().items()}
    adapter = tune(backbone, FRAMES, "a cat", steps=3, learning_rate=1e-3)
    adapter.apply(backbone)
    after = backbone.unet.state_dict()
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed
    assert all(name.endswith(("attn1.to_q.weight", "attn2.to_q.weight")) for name in changed)
    assert set(adapter.tensors) == set(tuned_parameters(backbone.unet))
    assert any("attn_temp.to_out.0.weight" in name for name in adapter.tensors)
    assert not any("norm_temp" in name for name in adapter.tensors)
    assert not any(parameter.requires_grad for parameter in backbone.unet.parameters())


def test_tuning_learns_the_clip(backbone: Backbone) -> None:
    """The error on the clip's own noise levels falls; a loss that does not fall is no tuning."""
    latents, text = backbone.encode(FRAMES), backbone.embed(["a cat"])
    levels = backbone.schedule(10)

    def error() -> float:
        total = 0.0
        with torch.no_grad(), backbone.attending("sparse_causal"):
            for index, time in enumerate(levels.timesteps.tolist()):
                fresh = noise(index, 3, (4, 8, 8))
                noisy = levels.add_noise(latents, fresh, index)
                total += float((backbone.predict(noisy[None], time, text)[0] - fresh).square().mean())
        return total / 10

    first = error()
    tune(backbone, FRAMES, "a cat", steps=60, learning_rate=3e-3).apply(backbone)
    assert error() < 0.9 * first


def test_a_long_clip_is_learnt_in_stretches(backbone: Backbone) -> None:
    seen: list[int] = []
    backbone.unet.conv_in.register_forward_hook(lambda _, __, output: seen.append(len(output)))
    whole, fits = (tune(backbone, FRAMES, "a cat", steps=2, window=window) for window in (None, 3))
    assert whole.digest() == fits.digest()
    del seen[:]
    first, again = (tune(backbone, FRAMES, "a cat", steps=12, learning_rate=1e-3, window=2) for _ in range(2))
    assert seen == [2] * 24
    assert first.digest() == again.digest()
    assert (first.config["window"], first.config["frames"]) == (2, 3)


def test_frames_keep_their_numbers_in_a_stretch(backbone: Backbone) -> None:
    backbone.layers.attach_temporal(positions=True)
    for layer in temporal_layers(backbone.unet):
        torch.nn.init.normal_(layer.to_out[0].weight)
    x, text = noise(0, 3, (4, 8, 8))[None], backbone.embed(["a cat"])

    def predicted() -> Tensor:
        with torch.no_grad():
            return backbone.predict(x, 300, text)

    plain = predicted()
    with backbone.in_window(range(4, 7)):
        later = predicted()
    assert (later - plain).abs().max() > 1e-3
    backbone.layers.positions = False
    unnumbered = predicted()
    with backbone.in_window(range(4, 7)):
        assert torch.equal(predicted(), unnumbered)


def test_an_adapter_brings_the_tuning_back(backbone: Backbone, sd1: Path, tmp_path: Path) -> None:
    plain = said(backbone)
    adapter = tune(backbone, FRAMES, "a cat", steps=3, learning_rate=1e-3)
    adapter.save(tmp_path / "cat.safetensors")
    adapter.apply(backbone)
    tuned = said(backbone)
    assert not torch.equal(tuned, plain)
    again = load_backbone(sd1, device="cpu", adapter=tmp_path / "cat.safetensors")
    torch.testing.assert_close(said(again), tuned, atol=1e-5, rtol=0)
    assert again.default_attention == "sparse_causal"
    assert again.outline().state == backbone.outline().state
    loaded = Adapter.load(tmp_path / "cat.safetensors")
    assert loaded.config["prompt"] == "a cat"
    assert loaded.base == again.fingerprint
    with pytest.raises(MediaError, match=r"cat\.safetensors"):
        loaded.save(tmp_path / "cat.safetensors")


def test_the_same_seed_tunes_the_same(sd1: Path) -> None:
    one, again, other = (
        tune(load_backbone(sd1, device="cpu"), FRAMES, "a cat", steps=2, seed=seed).digest() for seed in (0, 0, 1)
    )
    assert one == again != other


def test_an_interrupted_tuning_goes_on_where_it_was(sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedit.tuning.one_shot.CHECKPOINT_EVERY", 2)
    checkpoint = tmp_path / "tuning.pt"
    whole = tune(load_backbone(sd1, device="cpu"), FRAMES, "a cat", steps=5)

    def stop(stage: str, done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(load_backbone(sd1, device="cpu"), FRAMES, "a cat", steps=5, checkpoint=checkpoint, progress=stop)
    halfway = checkpoint.read_bytes()
    told: list[int] = []
    resumed = tune(
        load_backbone(sd1, device="cpu"), FRAMES, "a cat", steps=5, checkpoint=checkpoint,
        progress=lambda stage, done, total: told.append(done),
    )  # fmt: skip
    assert told == [5]
    assert resumed.digest() == whole.digest()
    checkpoint.write_bytes(halfway)
    for frames, words, steps, told_of in (
        (FRAMES, "a dog", 5, "another tuning"),
        (FRAMES.flip(-1), "a cat", 5, "another tuning"),
        (FRAMES, "a cat", 3, "4 steps on"),
    ):
        with pytest.raises(WeightsError, match=told_of):
            tune(load_backbone(sd1, device="cpu"), frames, words, steps=steps, checkpoint=checkpoint)


def test_tuning_that_has_learnt_ends(sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the same step and with the same bytes as it has where it may take just so many, interrupted or not."""
    monkeypatch.setattr("vedit.tuning.exam.EVERY", 2)
    monkeypatch.setattr("vedit.tuning.exam.BEGUN", 1.1)
    monkeypatch.setattr("vedit.tuning.exam.LEAST", 0.5)
    monkeypatch.setattr("vedit.tuning.one_shot.CHECKPOINT_EVERY", 3)

    def tuned(steps: int, *, early_stop: bool = True, **settings: Any) -> Adapter:
        return tune(load_backbone(sd1, device="cpu"), FRAMES, "a cat", steps=steps, early_stop=early_stop, **settings)

    ended = tuned(9)
    assert ended.config["steps_taken"] == 4
    assert len(ended.config["errors"]) == 3
    assert (ended.config["steps"], "4 steps" in repr(ended)) == (9, True)
    plain = tuned(4, early_stop=False)
    assert plain.digest() == ended.digest()
    assert not {"steps_taken", "early_stop", "errors", "blocks"} & plain.config.keys()

    def stop(stage: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "tuning.pt"
    with pytest.raises(KeyboardInterrupt):
        tuned(9, checkpoint=checkpoint, progress=stop)
    again = tuned(9, checkpoint=checkpoint)
    assert (again.digest(), again.config) == (ended.digest(), ended.config)
    with pytest.raises(WeightsError, match="another tuning"):
        tuned(9, early_stop=False, checkpoint=checkpoint)


@pytest.mark.parametrize("recipe", get_args(Recipe))
def test_the_error_that_ends_it_is_of_the_same_noises_each_time(
    backbone: Backbone, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rate that moves nothing it stays as it is; in stretches of a clip and shots of it too."""
    monkeypatch.setattr("vedit.tuning.exam.EVERY", 1)
    for given in ({}, {"window": 2}, {"shots": Shots((0, 2))}):
        told = tune(
            backbone, FRAMES, "a cat", steps=2, learning_rate=1e-30, recipe=recipe, early_stop=True, **given
        ).config["errors"]
        assert len(told) == 2
        assert told[0] == pytest.approx(told[1], rel=1e-6)
        assert told[0] > 0


def test_blocks_of_the_way_up_alone(backbone: Backbone, sd1: Path, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.unet.state_dict().items()}
    adapter = tune(backbone, FRAMES, "a cat", steps=3, learning_rate=1e-3, blocks="up")
    assert adapter.config["blocks"] == "up"
    assert all(name.startswith("up_blocks.") for name in adapter.tensors)
    assert any("attn_temp" in name for name in adapter.tensors)
    assert len(adapter.tensors) < len(tune(backbone, FRAMES, "a cat", steps=1).tensors)
    adapter.save(tmp_path / "up.safetensors")
    again = load_backbone(sd1, device="cpu", adapter=tmp_path / "up.safetensors")
    adapter.apply(backbone)
    torch.testing.assert_close(said(again), said(backbone), atol=1e-5, rtol=0)
    after = backbone.unet.state_dict()
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed
    assert all(name.startswith("up_blocks.") for name in changed)


def test_another_base_is_refused(backbone: Backbone, tmp_path: Path) -> None:
    adapter = tune(backbone, FRAMES, "a cat", steps=1)
    other = load_backbone(toys.sd_folder(tmp_path / "other", seed=5), device="cpu")
    with pytest.raises(WeightsError, match="--model it was tuned on"):
        adapter.apply(other)


def test_a_learning_rate_that_diverges_is_said(backbone: Backbone) -> None:
    with pytest.raises(WeightsError, match="learning rate"):
        tune(backbone, FRAMES, "a cat", steps=40, learning_rate=1e30)


def test_files_that_are_no_adapters(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "lora.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"not a file")
    for name, what in (("lora", "not an adapter"), ("damaged", "cannot be read"), ("missing", "not there")):
        with pytest.raises(WeightsError, match=what):
            Adapter.load(tmp_path / f"{name}.safetensors")


def test_numbered_frames_travel_with_the_adapter(sd1: Path, tmp_path: Path) -> None:
    """With the same noise in all frames only their numbers can make them differ under full attention."""
    x = noise(1, 1, (4, 8, 8)).expand(3, -1, -1, -1)[None]
    for recipe in get_args(Recipe):
        backbone = load_backbone(sd1, device="cpu")
        adapter = tune(backbone, FRAMES, "a cat", steps=3, learning_rate=1e-2, recipe=recipe)
        assert adapter.config["recipe"] == recipe
        adapter.save(tmp_path / f"{recipe}.safetensors")
        again = load_backbone(sd1, device="cpu", adapter=tmp_path / f"{recipe}.safetensors")
        assert again.layers.positions == (recipe == "motion")
        with torch.no_grad(), again.attending("full"):
            output = again.predict(x, 400, again.embed(["a cat"]))
        assert ((output[0, 0] - output[0, 2]).abs().max() > 1e-4) == (recipe == "motion")


def test_a_clip_comes_back_from_pure_noise() -> None:
    """What the tuned network sees in noise alone is the clip; under the original's recipe it is anything."""
    scene = world.sample_scene(7, frames=4)
    frames = torch.from_numpy(world.render(scene, 4).frames)
    errors = {}
    for recipe in get_args(Recipe):
        backbone = load_backbone("mini", device="cpu")
        tune(backbone, frames, scene.caption, steps=20, recipe=recipe).apply(backbone)
        latents, text, schedule = backbone.encode(frames), backbone.embed([scene.caption]), backbone.schedule(10)
        x = noise(9, 4, (4, 16, 16))
        with torch.no_grad(), backbone.attending("sparse_causal"):
            output = backbone.predict(x[None], int(schedule.timesteps[0]), text)[0]
        clean, _ = schedule.clean_and_noise(x, output, schedule.levels[0])
        errors[recipe] = float((clean - latents).square().mean())
    assert errors["motion"] < 0.7 * errors["original"], errors


def test_saving_memory_changes_no_number(sd1: Path) -> None:
    """Checkpointed layers run again in the backward pass, and must see the same frames and attention kind."""
    plain, thrifty = (load_backbone(sd1, device="cpu") for _ in range(2))
    thrifty.unet.enable_gradient_checkpointing()
    one, other = (tune(each, FRAMES, "a cat", steps=2, learning_rate=1e-3) for each in (plain, thrifty))
    for name, tensor in one.tensors.items():
        torch.testing.assert_close(other.tensors[name], tensor, atol=1e-5, rtol=0)


def test_tuning_leaves_the_model_as_it_was(backbone: Backbone) -> None:
    before, names = said(backbone), set(backbone.unet.state_dict())
    adapter = tune(backbone, FRAMES, "a cat", steps=2, learning_rate=1e-2)
    assert torch.equal(said(backbone), before)
    assert set(backbone.unet.state_dict()) == names
    assert not any(parameter.requires_grad for parameter in backbone.unet.parameters())
    again = tune(backbone, FRAMES, "a cat", steps=2, learning_rate=1e-2)
    assert again.digest() == adapter.digest()


def test_a_tuning_that_stops_leaves_the_model_as_it_was(backbone: Backbone) -> None:
    before, state = said(backbone), backbone.outline().state

    def stop(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(backbone, FRAMES, "a cat", steps=3, learning_rate=1e-2, progress=stop)
    assert torch.equal(said(backbone), before)
    assert backbone.outline().state == state
    assert not backbone.layers.has_temporal


def test_an_adapter_numbers_the_frames_of_layers_that_are_there(backbone: Backbone, sd1: Path) -> None:
    adapter = tune(load_backbone(sd1, device="cpu"), FRAMES, "a cat", steps=2, learning_rate=1e-2)
    again = load_backbone(sd1, device="cpu")
    adapter.apply(again)
    backbone.layers.attach_temporal()
    adapter.apply(backbone)
    assert torch.equal(said(backbone), said(again))
    assert backbone.learned_prompt == "a cat"


@pytest.mark.filterwarnings("ignore:.*times slower than float32")
def test_float16_is_refused_on_a_cpu(sd1: Path) -> None:
    with pytest.raises(DeviceError, match="bfloat16"):
        tune(load_backbone(sd1, device="cpu", dtype="float16"), FRAMES, "a cat", steps=1)


def test_a_clip_of_any_size_is_fitted(backbone: Backbone) -> None:
    tune(backbone, Clip(FRAMES[..., :41, :63], Fraction(8)), "a cat", steps=1)


def test_frames_and_pictures_are_learnt_as_a_set_beside_the_clip(backbone: Backbone) -> None:
    picture = backbone.encode(torch.rand((1, 3, 64, 128), generator=torch.Generator().manual_seed(3)))[0]
    common = {"steps": 3, "learning_rate": 1e-3}
    alone = tune(backbone, FRAMES, "a cat", **common)
    frames = tune(backbone, FRAMES, "a cat", mix=0.5, **common)
    beside = tune(backbone, FRAMES, "a cat", mix=0.5, pictures=[(picture, "a dog")], **common)
    assert any(name.endswith("attn2.to_k.weight") for name in frames.tensors)
    assert not any(name.endswith("attn2.to_k.weight") for name in alone.tensors), "words of the clip are enough for it"
    assert frames.digest() != beside.digest()
    assert beside.config["mix"] == 0.5
    again = tune(backbone, FRAMES, "a cat", mix=0.5, pictures=[(picture, "a dog")], **common)
    assert beside.digest() == again.digest()
    with beside.on(backbone):
        assert said(backbone).isfinite().all()


def test_what_is_learnt_as_a_set_says_nothing_of_motion(backbone: Backbone) -> None:
    """Where next to nothing is learnt as video, the temporal layers stay as they were."""
    adapter = tune(backbone, FRAMES, "a cat", steps=2, mix=1e-9, learning_rate=1e-3, weight_decay=0.0)
    backbone.layers.attach_temporal()
    before = dict(backbone.unet.named_parameters())
    temporal = [name for name in adapter.tensors if "attn_temp.to_out" in name]
    assert temporal
    for name in temporal:
        assert float((adapter.tensors[name] - before[name]).abs().max()) < 1e-3
    looks = [name for name in adapter.tensors if name.endswith("attn2.to_k.weight")]
    assert all(not torch.equal(adapter.tensors[name], before[name]) for name in looks)
