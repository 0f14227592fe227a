"""A subject learnt from a few pictures, with a small model, and its files in vedit and in diffusers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from tests.conftest import Ran
from vedit.adapters.loading import load_backbone

Command = Callable[..., Ran]
QUICK = ("--steps", 3, "--prior-pictures", 2, "--learning-rate", 0.01, "--size", 64)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures of a red square with a stripe, of different proportions."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, size in enumerate([(64, 48), (48, 64), (80, 80)]):
        picture = Image.new("RGB", size, (90, 90 + 40 * index, 90))
        picture.paste((220, 30, 30), (16, 16, 32, 32))
        picture.paste((250, 250, 250), (16, 22, 32, 26))
        picture.save(folder / f"{index}.png")
    return folder


@pytest.fixture
def learnt(vedit: Command, toy_model: Path, pictures: Path, tmp_path: Path) -> Path:
    ran = vedit(
        "learn",
        "subject",
        pictures,
        "--as",
        "<rex> dog",
        "--model",
        toy_model,
        *QUICK,
        "-o",
        tmp_path / "r.safetensors",
    )
    assert ran.status == 0, ran.err
    return tmp_path / "r.safetensors"


def test_its_files_are_a_lora_and_a_word(toy_model: Path, learnt: Path) -> None:
    plain, with_it = load_backbone(toy_model), load_backbone(toy_model, loras=[str(learnt)])
    assert "<rex>" in with_it.tokenizer.get_vocab()
    assert with_it.embed(["a <rex> dog"]).shape == plain.embed(["a dog"]).shape
    names = [name for name, _ in plain.unet.named_parameters() if name.endswith("attn2.to_k.weight")]
    for name in names:
        assert not torch.equal(with_it.unet.get_parameter(name), plain.unet.get_parameter(name))
    assert torch.equal(with_it.unet.conv_in.weight, plain.unet.conv_in.weight)


def test_diffusers_reads_both(toy_model: Path, learnt: Path) -> None:
    """As vedit has it: to the same prediction of the network."""
    ours = load_backbone(toy_model, loras=[str(learnt)])
    theirs = StableDiffusionPipeline.from_pretrained(toy_model, safety_checker=None, feature_extractor=None)
    theirs.load_textual_inversion(str(learnt.with_name("r-token.safetensors")))
    theirs.load_lora_weights(str(learnt))
    words = theirs.tokenizer("a <rex> dog", padding="max_length", max_length=ours.tokenizer.model_max_length,
                             return_tensors="pt").input_ids  # fmt: skip
    text = theirs.text_encoder(words).last_hidden_state
    assert torch.allclose(text, ours.embed(["a <rex> dog"]), atol=1e-5)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    wanted = theirs.unet(x, torch.tensor(500), text).sample
    with ours.attending("per_frame"), torch.no_grad():
        made = ours.predict(x[None], 500, text)[0]
    assert torch.allclose(made, wanted, atol=1e-4)


def test_the_model_is_left_as_it_was_and_the_same_seed_gives_the_same(toy_model: Path, pictures: Path) -> None:
    from vedit.stages.subject import middle_square
    from vedit.tuning.subject import Naming, class_latents, learn_subject

    backbone = load_backbone(toy_model)
    before = {name: each.clone() for name, each in backbone.unet.state_dict().items()}
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    naming = Naming("<rex>", "dog")
    of_class = class_latents(backbone, naming, 2, (4, 8, 8), 0)
    made = [learn_subject(backbone, latents, naming, of_class=of_class, steps=2) for _ in range(2)]
    assert all(torch.equal(made[0].tensors[name], made[1].tensors[name]) for name in made[0].tensors)
    assert torch.equal(made[0].row, made[1].row)
    assert "<rex>" not in backbone.tokenizer.get_vocab()
    assert all(torch.equal(each, before[name]) for name, each in backbone.unet.state_dict().items())
    assert middle_square(torch.zeros(3, 4, 7)).shape == (3, 4, 4)


def test_learning_comes_nearer_to_the_pictures(toy_model: Path) -> None:
    from vedit.tuning.subject import Naming, _Lesson, learn_subject

    backbone, naming = load_backbone(toy_model), Naming("<rex>", "dog")
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    learnt = learn_subject(backbone, latents, naming, steps=30, learning_rate=0.02, rank=8)

    def error(model: object, words: Naming) -> float:
        lesson = _Lesson(model, words, latents, [words.prompt], None, 0.0, 5)  # type: ignore[arg-type]
        with torch.no_grad(), backbone.attending("per_frame"):
            return sum(float(lesson.loss(step)) for step in range(8))

    before = error(backbone, Naming("", "dog"))
    from vedit.adapters.base import replace_parameters
    from vedit.adapters.lora import teach_tokens

    forget = teach_tokens(backbone, {"<rex>": learnt.row})
    fused = {}
    for name, down in learnt.tensors.items():
        if name.endswith("lora_A.weight"):
            layer = name.removeprefix("unet.").removesuffix(".lora_A.weight")
            weight = backbone.unet.get_parameter(f"{layer}.weight")
            fused[f"{layer}.weight"] = weight + learnt.tensors[name.replace("lora_A", "lora_B")] @ down
    undo = replace_parameters(backbone.unet, fused)
    assert error(backbone, naming) < 0.95 * before
    undo()
    forget()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--as", "dog"], "has no class"),
        (["--as", "a dog"], "the model knows 'a' already"),
        (["--as", "<rex> dog", "-o", "r.bin"], "a LoRA is written as .safetensors"),
        (["--as", "<rex> dog", "--steps", "0"], "--steps"),
        ([], "--as"),
    ],
)
def test_what_cannot_be_is_one_line(
    vedit: Command, toy_model: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    flags: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert said in vedit("learn", "subject", pictures, "--model", toy_model, *flags).complaint


def test_words_beside_a_picture_are_learnt_with_it(
    vedit: Command, toy_model: Path, pictures: Path, tmp_path: Path
) -> None:
    flags = ("--as", "<rex> dog", "--model", toy_model, *QUICK, "--overwrite", "-o", tmp_path / "r.safetensors")
    made = []
    for words in (None, "a dog, <rex>, over grass"):
        if words is not None:
            (pictures / "0.txt").write_text(words)
        ran = vedit("learn", "subject", pictures, *flags)
        assert ran.status == 0, ran.err
        made.append((tmp_path / "r.safetensors").read_bytes())
    assert made[0] != made[1]
    (pictures / "1.txt").write_text("a dog on a beach")
    complaint = vedit("learn", "subject", pictures, *flags).complaint
    assert "1.txt says 'a dog on a beach', without <rex>; expected" in complaint


def test_a_word_of_the_models_own_is_refused_and_what_it_takes_is_told(
    vedit: Command, pictures: Path, tmp_path: Path
) -> None:
    told = ("learn", "subject", pictures, "--model", "mini", "-o", tmp_path / "a.safetensors", "--dry-run")
    assert "the model knows 'red' already" in vedit(*told, "--as", "red star").complaint
    ran = vedit(*told, "--as", "<rex> star")
    assert ran.status == 0, ran.err
    assert "learning" in ran.out


def test_a_folder_without_pictures_and_a_damaged_one_are_one_line(
    vedit: Command, toy_model: Path, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    said = "--as", "<rex> dog", "--model", toy_model, "-o", tmp_path / "a.safetensors"
    assert "holds no pictures" in vedit("learn", "subject", tmp_path / "empty", *said).complaint
    assert "0.png is no folder; expected" in vedit("learn", "subject", pictures / "0.png", *said).complaint
    (pictures / "9.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    assert "9.png" in vedit("learn", "subject", pictures, *said).complaint
