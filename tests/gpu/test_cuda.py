"""What only a GPU can show: ``pytest -m gpu tests/gpu``.

Needs pytest, torch, diffusers, transformers, typer, rich, pydantic and pyyaml; the whole edits need PyAV too, and are
left out without it.
"""

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

import vedit
import world
from vedit.attention import kernels
from vedit.attention.context import StepContext
from vedit.attention.kinds import PerFrame
from vedit.backbone.temporal import TemporalAttention
from vedit.machine.memory import free_gpu_memory
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling.prediction import Predictor

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CUDA = torch.device("cuda")
INSTALLED = [k for k in kernels.KERNELS if k != "xformers" or find_spec("xformers")]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kernel", INSTALLED)
def test_kernels_agree(kernel: kernels.Kernel, dtype: torch.dtype) -> None:
    if kernel == "xformers" and kernels.best_kernel(CUDA, dtype) != "xformers":
        pytest.skip("this build of xformers has no working kernel here, and is not chosen")
    bound = 1e-3 if dtype == torch.float32 else kernels.AGREEMENT
    assert kernels.disagreement(kernel, CUDA, dtype) < bound


@pytest.mark.parametrize("batch", [8191, 8192, 8193, 16384])
@pytest.mark.parametrize("kernel", INSTALLED)
def test_batch_times_heads_beyond_the_grid(kernel: kernels.Kernel, batch: int) -> None:
    """8 heads: 8,192 x 8 = 65,536 is where CUDA kernels fail when nobody cuts the batch."""
    if kernel == "xformers" and kernels.best_kernel(CUDA, torch.float16) != "xformers":
        pytest.skip("this build of xformers has no working kernel here, and is not chosen")
    query, key, value = torch.randn((3, batch, 8, 4, 40), device=CUDA, dtype=torch.float16)
    found = kernels.attend(query, key, value, kernel)
    few = slice(batch - 3, None)
    expected = kernels.attend(query[few], key[few], value[few], "math")
    torch.testing.assert_close(found[few], expected, atol=1e-2, rtol=1e-2)


def test_temporal_attention_at_512_pixels_with_guidance() -> None:
    layer = TemporalAttention(320, 8).to(CUDA, torch.float16)
    torch.nn.init.normal_(layer.to_out[0].weight, std=0.05)
    tokens = torch.randn((2 * 4, 4096, 320), device=CUDA, dtype=torch.float16)
    found = layer(tokens, StepContext(PerFrame(), "sdpa", frames=4))
    expected = layer(tokens[:, -8:], StepContext(PerFrame(), "math", frames=4))
    torch.testing.assert_close(found[:, -8:], expected, atol=2e-2, rtol=2e-2)


def test_bfloat16_follows_float32(tmp_path: Path) -> None:
    exact = vedit.load_backbone("mini", device="cuda", dtype="float32")
    rough = vedit.load_backbone("mini", device="cuda", dtype="bfloat16")
    x = torch.randn((1, 8, 4, 16, 16), device=CUDA)
    text = exact.embed(["a red star moving left over grass"])
    with torch.no_grad(), exact.attending("sparse_causal"), rough.attending("sparse_causal"):
        expected = exact.predict(x, 500, text)
        found = rough.predict(x, 500, text.to(torch.bfloat16))
    assert (found - expected).std() < 0.03 * expected.std()


def test_cuda_follows_the_cpu(sd1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # By default convolutions of float32 are rounded to TF32, which has 10 bits.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    here, there = (vedit.load_backbone(sd1, device=device, dtype="float32") for device in ("cpu", "cuda"))
    x = torch.randn((1, 3, 4, 8, 8))
    text = here.embed(["a cat"])
    with torch.no_grad():
        expected, found = here.predict(x, 500, text), there.predict(x.to(CUDA), 500, text.to(CUDA))
    torch.testing.assert_close(found.cpu(), expected, atol=1e-3, rtol=1e-3)


def test_what_pytorch_keeps_for_later_counts_as_free() -> None:
    size = 2**30
    before = free_gpu_memory(CUDA)
    held = torch.empty(size, dtype=torch.uint8, device=CUDA)
    during = free_gpu_memory(CUDA)
    del held
    assert during <= before - size // 2
    assert free_gpu_memory(CUDA) >= during + size


def test_less_memory_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two branches, and of a clip's frames, fewer are taken at a time where all at once do not fit."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    backbone = vedit.load_backbone("mini", device="cuda", dtype="float32")
    text = backbone.embed(["a red star over grass", "a blue star over grass"])
    request = Request(torch.randn((32, 4, 64, 64), device=CUDA), 500, Prompt(text))
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(CUDA)
    with torch.no_grad():
        expected = Predictor(backbone)(request)
    enough = torch.cuda.max_memory_reserved(CUDA)
    refused = torch.cuda.memory_stats(CUDA)["num_ooms"]
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.75 * enough / torch.cuda.mem_get_info(CUDA)[1], CUDA)
    try:
        with torch.no_grad():
            found = Predictor(backbone)(request)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, CUDA)
    assert torch.cuda.memory_stats(CUDA)["num_ooms"] > refused
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_an_edit_repeats_to_the_bit() -> None:
    pytest.importorskip("av")
    scene = world.sample_scene(5, "held_out")
    clip = vedit.Clip(frames=torch.from_numpy(world.render(scene, 4).frames).clamp(0, 1), rate=Fraction(8))
    backbone = vedit.load_backbone("mini", device="cuda")
    first, second = (
        vedit.edit(backbone, clip, "a red star over sand", source_prompt=scene.caption, steps=3, cache=False)
        for _ in range(2)
    )
    assert torch.equal(first.clip.frames, second.clip.frames)


@pytest.mark.parametrize("tune", [0, 5])
def test_a_full_edit(tune: int) -> None:
    pytest.importorskip("av")
    scene = world.sample_scene(5, "held_out")
    clip = vedit.Clip(frames=torch.from_numpy(world.render(scene, 8).frames).clamp(0, 1), rate=Fraction(8))
    backbone = vedit.load_backbone("mini", device="cuda")
    wanted = scene.changed(colour="blue" if scene.objects[0].colour != "blue" else "red")
    result = vedit.edit(backbone, clip, wanted.caption, source_prompt=scene.caption, steps=20, tune=tune, cache=False)
    assert result.clip.frames.shape == clip.frames.shape
    assert torch.isfinite(result.clip.frames).all()
    assert (result.clip.frames - clip.frames).abs().mean() > 1e-3


@pytest.mark.parametrize(
    "settings", [{"fifo": True, "window": 4}, {"loop": True}, {"loop": True, "window": 4}, {"prior": "reshuffled"}]
)
def test_clips_from_words_repeat_to_the_bit(settings: dict[str, object]) -> None:
    pytest.importorskip("av")
    backbone = vedit.load_backbone("mini", device="cuda")
    common = {"frames": 7, "steps": 4, "guidance": "0:3, 6:6", "prompt_at": ["3:a blue star over sand"]}
    first, second = (vedit.generate(backbone, "a red star over sand", **common, **settings) for _ in range(2))
    assert torch.isfinite(first.clip.frames).all()
    assert torch.equal(first.clip.frames, second.clip.frames)


def test_a_clip_made_larger_repeats_to_the_bit() -> None:
    pytest.importorskip("av")
    scene = world.sample_scene(5, "held_out")
    clip = vedit.Clip(frames=torch.from_numpy(world.render(scene, 3).frames).clamp(0, 1), rate=Fraction(8))
    backbone = vedit.load_backbone("mini", device="cuda")
    first, second = (vedit.upscale(backbone, clip, prompt=scene.caption, steps=4).clip.frames for _ in range(2))
    assert first.shape == (3, 3, 2 * world.SIZE, 2 * world.SIZE)
    assert torch.equal(first, second)
