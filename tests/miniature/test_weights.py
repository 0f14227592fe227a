"""The embedded model: what ships is small, loads like any Stable Diffusion, and knows its world."""

import json
import wave
from dataclasses import replace
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from diffusers import AnimateDiffPipeline, DDIMScheduler, MotionAdapter, StableDiffusionPipeline

import vedit
import world
from benchmarks import control_accuracy, motion_accuracy
from benchmarks.control_accuracy import FRAMES
from benchmarks.held_out import cases, measure
from benchmarks.judge import load_judge
from benchmarks.judge.weather import load_weather_judge
from benchmarks.miniature_quality import decibels
from training.audio import mel_filters
from vedit.backbone import Backbone
from vedit.backbone.control import load_controlnet
from vedit.backbone.model_files import MINI
from vedit.backbone.notes import read_notes
from vedit.clip import Audio
from vedit.condition import Condition
from vedit.conditioners.audio import encode_sound
from vedit.conditioners.sound_encoder import SoundConfig, load_sound_encoder
from vedit.entrances.residuals import AddResiduals
from vedit.motion.generated.network import load_flow_diffusion
from vedit.motion.generated.render import dense_of
from vedit.motion.generated.volume import grid_of
from vedit.motion.learnt.completion import load_completion
from vedit.motion.learnt.folder import COMPLETION
from vedit.priors.inversion import invert, reconstruct
from vedit.prompt import Prompt
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.guiders import ClassifierFree
from world.paths import DIRECTIONS, UNIT
from world.sounds import RATE, sound


@pytest.fixture(scope="module")
def mini() -> Backbone:
    return vedit.load_backbone("mini", device="cpu")


def test_it_is_small() -> None:
    sizes = {path: path.stat().st_size for path in Path(MINI).rglob("*") if path.is_file()}
    notes = read_notes(MINI)
    assert notes.motion_strokes
    assert notes.image_adapter
    assert notes.motion_words
    parts = notes.motion_strokes, notes.motion_words, "image_encoder", notes.image_adapter, ""
    apart = dict.fromkeys(parts, 0)
    for path, size in sizes.items():
        first = path.relative_to(MINI).parts[0]
        apart[first if first in apart else ""] += size
    assert apart[notes.motion_strokes] < 4e6
    assert apart[notes.motion_words] < 2e6
    assert apart["image_encoder"] + apart[notes.image_adapter] < 4e6
    assert apart[""] < 25e6
    assert sizes[Path(MINI) / notes.sound_encoder] < 2e6


def test_it_names_no_place_on_the_machine_that_made_it() -> None:
    configs = list(Path(MINI).rglob("*.json"))
    assert len(configs) > 8
    for path in configs:
        assert "_name_or_path" not in json.loads(path.read_text()), path


def test_its_controlnets_are_read(mini: Backbone) -> None:
    """Those that read no words are built otherwise than published ones."""
    kinds = read_notes(MINI).controls
    assert kinds.keys() == {"edge", "pose", "flow"}
    for kind in kinds:
        assert sum(each.numel() for each in load_controlnet(kind, None, mini).net.parameters()) > 1e5


def test_diffusers_loads_it_as_it_is(mini: Backbone) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(MINI, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline.scheduler, DDIMScheduler)
    x = noise(0, 1, (4, 16, 16))
    expected = pipeline(
        "a red star moving left over grass", negative_prompt="", latents=x, num_inference_steps=4, guidance_scale=3.0,
        height=128, width=128, output_type="np",
    ).images  # fmt: skip
    guider = ClassifierFree(Prompt(mini.embed(["a red star moving left over grass"])), Prompt(mini.embed([""])), 3.0)
    found = mini.decode(denoise(mini, x, mini.schedule(4), guider))
    torch.testing.assert_close(found.permute(0, 2, 3, 1), torch.from_numpy(expected), atol=1e-4, rtol=0)


def test_diffusers_makes_the_same_clips_of_its_motion_modules(mini: Backbone) -> None:
    folder = Path(MINI) / read_notes(MINI).motion
    pipeline = AnimateDiffPipeline.from_pretrained(
        MINI, motion_adapter=MotionAdapter.from_pretrained(folder, torch_dtype=torch.float32),
        scheduler=DDIMScheduler.from_pretrained(folder), torch_dtype=torch.float32,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    said, frames = "a red star moving left over grass", 16
    x = noise(0, frames, (4, 16, 16))
    expected = pipeline(
        said, negative_prompt="", latents=x.movedim(0, 1)[None], num_frames=frames, num_inference_steps=4,
        guidance_scale=3.0, height=128, width=128, output_type="pt",
    ).frames[0]  # fmt: skip
    guider = ClassifierFree(Prompt(mini.embed([said])), Prompt(mini.embed([""])), 3.0)
    with mini.attending("per_frame"):
        found = mini.decode(denoise(mini, x, mini.schedule(4), guider))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    with mini.attending("per_frame"), mini.scaling_motion(torch.zeros(frames)):
        still = mini.decode(denoise(mini, x, mini.schedule(4), guider))
    assert (still - expected).abs().max() > 0.1


def test_every_word_of_the_world_is_one_token(mini: Backbone) -> None:
    words = [*world.SHAPES, *world.COLOURS, *world.BACKGROUNDS, *world.DIRECTIONS, *world.WEATHERS, *world.LOOKS]
    words += world.STRENGTHS
    for word in [*words, "a", "an", "moving", "over", "in", "of", "and"]:
        assert len(mini.tokenizer(word, add_special_tokens=False).input_ids) == 1
    unknown = mini.tokenizer("Zażółć 12 gęślą jaźń!", add_special_tokens=False).input_ids
    assert mini.tokenizer.unk_token_id not in unknown


def test_the_vae_keeps_held_out_frames(mini: Backbone) -> None:
    whole, inside = [], []
    for seed in range(16):
        frame, mask = world.draw_frame(world.sample_scene(seed, "held_out"), 2, 0.0)
        picture = torch.from_numpy(frame)[None].clamp(0, 1)
        again = mini.decode(mini.encode(picture))
        whole.append(decibels(again, picture))
        inside.append(decibels(again, picture, torch.from_numpy(mask[None, :1] > 0.5).float()))
    assert sum(whole) / 16 >= 28
    assert sum(inside) / 16 >= 24


@pytest.mark.slow
def test_inversion_comes_back(mini: Backbone) -> None:
    lost = []
    for seed in range(800_100, 800_109):
        scene = world.sample_scene(seed, "held_out")
        frames = torch.from_numpy(world.render(scene, 1).frames).clamp(0, 1)
        latents, text = mini.encode(frames), mini.embed([scene.caption])
        with mini.attending("sparse_causal"):
            again = reconstruct(mini, invert(mini, latents, text, 50), text, 50)
        lost.append(decibels(mini.decode(latents), frames) - decibels(mini.decode(again), frames))
    assert sorted(lost)[4] < 1  # single clips lose more, which corrections mend


def test_its_own_frames_raise_no_warning_and_others_do(mini: Backbone, recwarn: pytest.WarningsRecorder) -> None:
    case = cases(1)[0]
    vedit.edit(mini, case.clip, case.prompt, steps=1, check_inversion=False)
    assert not [each for each in recwarn if issubclass(each.category, vedit.VeditWarning)]
    generator = torch.Generator().manual_seed(0)
    foreign = replace(case.clip, frames=torch.rand((2, 3, 128, 128), generator=generator))
    with pytest.warns(vedit.VeditWarning, match="--model"):
        vedit.edit(mini, foreign, case.prompt, steps=1, check_inversion=False)


@pytest.mark.slow
def test_it_draws_what_it_is_told() -> None:
    mini, judge = vedit.load_backbone("mini", device="cpu"), load_judge()
    scenes = [world.sample_scene(710_000 + k, "held_out") for k in range(64)]
    text = mini.embed([scene.caption for scene in scenes])
    guider = ClassifierFree(Prompt(text[None]), Prompt(mini.embed([""]).expand_as(text)[None]), 5.0)
    seen = judge.see(mini.decode(denoise(mini, noise(1, 64, (4, 16, 16)), mini.schedule(25), guider)))
    right = [
        (seen.shape[k], seen.colour[k], seen.background[k])
        == (scene.objects[0].shape, scene.objects[0].colour, scene.background)
        for k, scene in enumerate(scenes)
    ]
    assert sum(right) / 64 >= 0.9


@pytest.mark.slow
def test_the_default_edit_changes_what_it_should_and_keeps_the_rest() -> None:
    judge, found = load_judge(), []
    for case in cases(6, first=70_000):
        backbone = vedit.load_backbone("mini", device="cpu")
        result = vedit.edit(backbone, case.clip, case.prompt, source_prompt=case.source_prompt, check_inversion=False)
        found.append(measure(result.clip.frames, case, judge))
    assert sum(each["changed"] for each in found) / 6 > 0.7
    assert sum(each["kept"] for each in found) / 6 > 0.85
    assert sum(each["unchanged"] for each in found) / 6 > 22


@pytest.mark.parametrize("kind", sorted(read_notes(MINI).controls))
def test_its_controlnets_say_where_things_are(mini: Backbone, kind: str) -> None:
    """From pure noise, by words of another colour and ground than those of the clip that is looked at."""
    case, net, judge = control_accuracy.cases(kind, 1, 880_000)[0], load_controlnet(kind, None, mini), load_judge()
    control = Condition(AddResiduals(partial(net, control_accuracy.pictures(kind, case))), torch.ones(FRAMES))

    def measured(condition: Condition | None, seed: int) -> dict[str, float]:
        made = control_accuracy.made(mini, case, condition, 12, 5.0, seed=seed)
        return control_accuracy.measure(made, case, judge, None)

    steered, free = measured(control, 3), [measured(None, seed) for seed in (3, 4)]
    # Without it, things lie where chance has them, which may be near.
    assert steered["track"] < 5 < 8 < np.mean([each["track"] for each in free])
    assert np.mean([each["overlap"] for each in free]) < 0.3 < 0.5 < steered["overlap"]


@pytest.mark.parametrize("weather", ["rain", "snow"])
def test_a_word_counts_for_as_much_as_is_seen(mini: Backbone, weather: str) -> None:
    words, said = f"a red circle over sand in {weather}", [f"{weather}=0.2+1.1*f/5"]
    made = vedit.generate(mini, words, steps=15, frames=6, emphasis=said)
    seen = load_weather_judge().see(made.clip.frames).intensity
    assert seen[0] < 0.2 < 0.6 < seen[-1]
    assert (seen.diff() > -0.1).all()


@pytest.mark.parametrize(("ground", "weather"), [("grass", "rain"), ("water", "snow")])
def test_what_it_hears_is_what_it_shows(mini: Backbone, ground: str, weather: str, tmp_path: Path) -> None:
    """By an empty prompt, from a sound of which it has seen neither the seed nor the curve."""
    samples = sound(ground, weather, np.array([0.2, 0.2, 1.0, 1.0]), 1.0, 990_000)
    with wave.open(str(tmp_path / "heard.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    made = vedit.generate(mini, "", steps=15, audio=tmp_path / "heard.wav")
    sky = load_weather_judge().see(made.clip.frames)
    assert sky.ground == [ground] * 8
    assert sky.weather.count(weather) >= 6
    assert sky.intensity[-2:].mean() > sky.intensity[:2].mean() + 0.2


def test_it_listens_as_it_was_taught() -> None:
    """The settings of the spectrogram that travel with the weights are those of training, and a file sounds alike."""
    encoder = load_sound_encoder(Path(MINI) / read_notes(MINI).sound_encoder)
    config = SoundConfig(tokens=encoder.config.tokens, width=encoder.config.width, rate=RATE)
    measured = {"mean": encoder.config.mean, "deviation": encoder.config.deviation}
    assert encoder.config == replace(config, **measured)
    torch.testing.assert_close(encoder.filters, mel_filters(config), atol=1e-4, rtol=1e-2)
    samples = torch.from_numpy(sound("sand", "rain", np.array([0.5]), 2.0, 990_001))
    levels = encoder.spectrogram(samples[None])
    assert abs(float(levels.mean())) < 0.7  # other sounds than those that it was measured on
    assert 0.5 < float(levels.std()) < 1.5
    brought = torch.from_numpy(librosa.resample(samples.numpy(), orig_sr=RATE, target_sr=44_100))
    heard = encode_sound(encoder, Audio(torch.stack([brought, brought]), 44_100))
    torch.testing.assert_close(heard.tokens[:, :12], encoder(samples[None]).tokens[:, :12], atol=0.15, rtol=0.1)


def test_a_narrow_stroke_takes_the_whole_thing_along_and_nothing_around(tmp_path: Path) -> None:
    """What its flow completion knows: where things end."""
    network = load_completion(Path(MINI) / read_notes(MINI).motion_strokes / COMPLETION)
    inside, outside = motion_accuracy.flow_tables(motion_accuracy.cases(2, 977_000), tmp_path, network)

    def mean(of: motion_accuracy.Flows, row: str) -> float:
        return float(np.mean([of[kind][row] for kind in motion_accuracy.KINDS[:2]]))

    assert mean(inside, "1 narrow stroke, learnt") < 0.5 * mean(inside, "1 narrow stroke")
    assert mean(outside, "4 strokes, learnt") < 0.7 * mean(outside, "4 strokes")


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_words_move_the_thing_of_a_picture_and_leave_the_ground(mini: Backbone, direction: str) -> None:
    """What its flow diffusion knows: which way a direction is, and what of a picture is a thing."""
    network = load_flow_diffusion(Path(MINI) / read_notes(MINI).motion_words, mini.outline().text_width)
    scene = world.sample_clip(978_000, "held_out", frames=2, path="straight", pace="plain")
    scene = scene.changed(shape="star", direction=direction)
    frame, masks = world.draw_frame(scene, 0, 0.0)
    picture, thing = torch.from_numpy(frame.copy()).float().clamp(0, 1), torch.from_numpy(masks[0]) > 0.5
    words, nothing = mini.embed([scene.caption, ""]).float()[:, None]
    volume = network.sample(words, nothing, mini.encode(picture[None]), grid_of((128, 128), network.config.cells), 0)
    moved = dense_of(volume, picture).forward[-1]
    along, gone = torch.tensor(UNIT[direction], dtype=torch.float32), moved[:, thing].mean(1)
    assert float(gone @ along) > 20
    assert float(gone @ along.flip(0).abs()) < 6
    assert moved[:, ~thing].norm(dim=0).median() < 1
