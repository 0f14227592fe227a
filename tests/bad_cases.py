"""The table of what a user can get wrong: clips, models, words, files and masks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import torch

from tests.bad_things import (
    CLIP_FRAMES,
    UNET,
    Desk,
    adapter,
    beside,
    bomb,
    changed,
    compressed,
    cut,
    keypoints,
    no_cuda,
    own_source,
    pickled,
    pictures,
    renamed,
    sdxl,
    sound,
    video,
    with_config,
)

Case = tuple[Callable[[Desk], list[object]], str, str]
"""How to make the command, what the line says was given, and what it says to do or what was expected."""

CLIPS: dict[str, Case] = {
    "missing file": (lambda d: d.edit(clip=d.bad / "no.mp4"), "no.mp4 does not exist", "expected a video file"),
    "empty file": (lambda d: d.edit(clip=d.file("e.mp4", "")), "e.mp4 is empty", "0 bytes"),
    "text as mp4": (lambda d: d.edit(clip=d.file("t.mp4", "hello\n" * 99)), "cannot be read as video", "expected one"),
    "a playlist as mp4": (
        lambda d: d.edit(clip=d.file("p.mp4", f"#EXTM3U\n#EXTINF:1,\n{d.good.clip}\n")),
        "cannot be read as video",
        "expected one",
    ),
    "cut in the middle": (
        lambda d: d.edit(clip=cut(video(d.bad / "c.mp4", 40, faststart=True), 0.6)),
        "c.mp4",
        "allow-partial",
    ),
    "cut, without moov": (lambda d: d.edit(clip=cut(video(d.bad / "c.mp4", 40), 0.6)), "c.mp4", "cut short"),
    "sound only, m4a": (lambda d: d.edit(clip=sound(d.bad / "s.m4a")), "s.m4a", "use .mp4"),
    "sound only, mp4": (lambda d: d.edit(clip=sound(d.bad / "s.mp4")), "only sound", "expected a video"),
    "wav as mp4": (
        lambda d: d.edit(clip=renamed(sound(d.bad / "s.wav"), "w.mp4")),
        "cannot be read as video",
        "expected",
    ),
    "no control": (lambda d: d.edit("--control", "egde"), "egde", "did you mean 'edge'"),
    "a control too strong": (lambda d: d.edit("--control", "edge:3"), "'3'", "expected 0 to 2"),
    "a window the wrong way round": (lambda d: d.edit("--control", "edge@0.6-0.2"), "edge", "ends before it begins"),
    "no keypoints": (lambda d: d.edit("--control", "pose:no.json"), "no.json", "does not exist"),
    "keypoints of another length": (
        lambda d: d.edit("--control", f"pose:{d.file('k.json', keypoints(64, 64, frames=1))}"),
        "k.json",
        "keypoints for 1 frames",
    ),
    "keypoints of another aspect": (
        lambda d: d.edit("--control", f"pose:{d.file('k.json', keypoints(500, 64, frames=3))}", "--frames", 3),
        "k.json",
        "expected the same aspect",
    ),
    "no ControlNet": (lambda d: d.edit("--control", "edge:net=nowhere"), "nowhere", "no folder and no hub id"),
    "one pixel": (lambda d: d.edit(clip=video(d.bad / "dot.mp4", 3, (1, 1))), "1x1", "expected 8x8 or more"),
    "zero frames": (lambda d: d.edit(clip=video(d.bad / "z.mp4", 0)), "z.mp4", "cut short"),
    "start past the end": (lambda d: d.edit("--start", 5), f"has {CLIP_FRAMES} frames", "start 5 is past its end"),
    "more frames than there are": (lambda d: d.edit("--frames", 9), f"{CLIP_FRAMES} frames", "ask for fewer"),
    "zero frames asked for": (lambda d: d.edit("--frames", 0), "--frames: '0'", "expected 1 or more"),
    "stride 0": (lambda d: d.edit("--stride", 0), "--stride: '0'", "expected 1 or more"),
    "negative start": (lambda d: d.edit("--start", -1), "--start: '-1'", "expected 0 or more"),
    "size of a word": (lambda d: d.edit("--size", "big"), "--size: 'big'", "whole number"),
    "folder without pictures": (lambda d: d.edit(clip=pictures(d)), "holds no pictures", "expected"),
    "pictures of two sizes": (
        lambda d: d.edit(clip=pictures(d, (16, 16), (24, 16))),
        "1.png is 24x16 but 0.png is 16x16",
        "must be of one size",
    ),
    "a damaged picture": (
        lambda d: d.edit(clip=cut(pictures(d, (64, 64)) / "0.png", 0.5).parent),
        "0.png is damaged",
        "0.png",
    ),
    "unknown extension": (lambda d: d.edit(clip=d.file("c.wmv", "x")), "named .wmv are not read", "use .mp4"),
    "a single picture": (lambda d: d.edit(clip=d.file("c.png", "x")), "is a single picture", "expected a video"),
    "an empty name of a clip": (lambda d: d.edit(clip=""), "CLIP: '' is no path", "CLIP"),
}

MODELS: dict[str, Case] = {
    "unknown model": (lambda d: d.edit(model="sd1.5"), "'sd1.5' is no folder", "did you mean 'sd15'?"),
    "unknown repository": (lambda d: d.edit(model="nobody/nothing"), "'nobody/nothing' is not in", "name a folder"),
    "empty model": (lambda d: d.edit(model=""), "--model is empty", "mini"),
    "the clip as model": (lambda d: d.edit(model=d.good.clip), "clip.mp4' is no model", "expected a folder"),
    "without unet": (lambda d: d.edit(model=d.folder("unet")), "has no unet", "expected a Stable Diffusion folder"),
    "without tokenizer": (lambda d: d.edit(model=d.folder("tokenizer")), "has no tokenizer", "expected a Stable"),
    "without weights": (
        lambda d: d.edit(model=d.folder(f"{UNET}.safetensors")),
        "no weights for the unet",
        "expected diffusion_pytorch_model.safetensors",
    ),
    "Stable Diffusion XL": (lambda d: d.edit(model=sdxl(d)), "is a StableDiffusionXLPipeline", "1.x or 2.x"),
    "an odd index": (
        lambda d: d.edit(model=d.config("model_index.json", prior=[], transformer="x")),
        "not Stable Diffusion 1.x",
        "only these two fit",
    ),
    "inpainting": (lambda d: d.edit(model=d.config("unet/config.json", in_channels=9)), "9 channels", "with 4, fit"),
    "a device as weights": (
        lambda d: d.edit(model=d.linked(f"{UNET}.safetensors", "/dev/zero")),
        "it is no plain file",
        "cannot be read",
    ),
    "a pipe as a config": (
        lambda d: d.edit(model=d.piped("vae/config.json")),
        "it is no plain file",
        "cannot be read",
    ),
    "very many layers": (
        lambda d: d.edit(model=d.config("unet/config.json", layers_per_block=1_000_000)),
        "layers_per_block is 1000000",
        "less than or equal to 8",
    ),
    "a vocabulary without end": (
        lambda d: d.edit(model=d.config("text_encoder/config.json", vocab_size=10**13)),
        "vocab_size is 10000000000000",
        "less than or equal to 1000000",
    ),
    "no groups": (
        lambda d: d.edit(model=d.config("unet/config.json", norm_num_groups=0)),
        "norm_num_groups is 0",
        "greater than or equal to 1",
    ),
    "blocks that are a number": (
        lambda d: d.edit(model=d.config("unet/config.json", down_block_types=5)),
        "down_block_types is 5",
        "valid list",
    ),
    "a prompt of no words": (
        lambda d: d.edit(model=d.config("tokenizer/tokenizer_config.json", model_max_length=2)),
        "model_max_length is 2",
        "greater than or equal to 3",
    ),
    "a config without a floor": (
        lambda d: d.edit(model=d.text("unet/config.json", "[" * 200_000)),
        "nested too deeply",
        "config.json",
    ),
    "weights that are compressed": (
        lambda d: d.edit(model=compressed(d)),
        "is compressed",
        "use its .safetensors form",
    ),
    "a name that a terminal obeys": (
        lambda d: d.edit(model=changed(d, lambda x: x, "\x1b[2J")),
        "unknown (",
        "\\x1b[2J",
    ),
    "a name without end": (
        lambda d: d.edit(model=changed(d, lambda x: x, "x" * 1_000_000)),
        "the longest name of 1,000,",
        "no model of Stable Diffusion",
    ),
    "weights of eight bits": (
        lambda d: d.edit(model=changed(d, lambda x: x.to(torch.float8_e4m3fn))),
        "float8_e4m3fn",
        "expected float16, bfloat16 or float32",
    ),
    "a LoRA of any scale": (lambda d: d.edit("--lora", f"{d.good.lora}:nan"), "the scale nan", "-100 to 100"),
    "a LoRA whose alpha is text": (
        lambda d: d.edit("--lora", d.lora(**{"unet.lora_alpha": "many"})),
        "lora_alpha is 'many'",
        "valid number",
    ),
    "a LoRA whose pattern never ends": (
        lambda d: d.edit("--lora", d.lora(**{"unet.alpha_pattern": {"(a+)+$": 1.0}})),
        "(a+)+",
        "expected the name of a layer",
    ),
    "an adapter of a book": (
        lambda d: d.edit("--adapter", adapter(d, config=json.dumps({"prompt": "x" * 1_000_000}))),
        "prompt is 'xxx",
        "at most 20000 characters",
    ),
    "an unknown schedule": (
        lambda d: d.edit(model=d.config("scheduler/scheduler_config.json", beta_schedule="no")),
        "noise schedule",
        "cannot be built",
    ),
    "more steps than the model knows": (
        lambda d: d.edit("--steps", 50, model=d.config("scheduler/scheduler_config.json", num_train_timesteps=10)),
        "trained on 10 timesteps",
        "take fewer",
    ),
    "a VAE without its factor": (
        lambda d: d.edit(model=d.config("vae/config.json", scaling_factor=None)),
        "scaling_factor is None",
        "it should be a valid number",
    ),
    "a unet of size -1": (
        lambda d: d.edit(model=d.config("unet/config.json", sample_size=-1)),
        "sample_size is -1",
        "it should be greater than or equal to 1",
    ),
    "code in a pickle": (lambda d: d.edit(model=pickled(d, by_torch=True)), "could run code", "use its .safetensors"),
    "code in a bare pickle": (lambda d: d.edit(model=pickled(d, by_torch=False)), "cannot be read", "fetch it again"),
    "junk as weights": (
        lambda d: d.edit(model=(d.folder(f"{UNET}.safetensors"), d.file(f"model/{UNET}.bin", "hello"))[0]),
        "not a file of tensors",
        "fetch it again",
    ),
    "NaN weights": (lambda d: d.edit(model=changed(d, lambda x: x * torch.nan)), "holds NaN", "fetch it again"),
    "weights of another shape": (lambda d: d.edit(model=changed(d, lambda x: x[:1])), "do not fit", "asks for"),
    "quantised weights": (
        lambda d: d.edit(model=changed(d, lambda x: x.to(torch.int8))),
        "int8",
        "expected float16, bfloat16 or float32",
    ),
    "weights cut short": (
        lambda d: d.edit(model=cut(d.folder() / f"{UNET}.safetensors", 0.5).parents[1]),
        "cannot be read",
        "fetch it again",
    ),
    "wrong adapter": (
        lambda d: d.edit("--adapter", d.good.adapter, model=d.good.other),
        "was tuned on",
        "pass the --model it was tuned on",
    ),
    "missing adapter": (lambda d: d.edit("--adapter", d.bad / "a.safetensors"), "is not there", "`vedit tune`"),
    "a LoRA as adapter": (lambda d: d.edit("--adapter", d.good.lora), "is not an adapter", "with --lora"),
    "an adapter as LoRA": (lambda d: d.edit("--lora", d.good.adapter), "adapter.safetensors", "LoRA"),
    "adapter cut short": (
        lambda d: d.edit("--adapter", cut(adapter(d), 0.5)),
        "adapter.safetensors' cannot be read",
        "fetch it again",
    ),
    "adapter without words": (lambda d: d.edit("--adapter", adapter(d, base=None)), "is damaged", "tune it again"),
    "adapter with odd words": (lambda d: d.edit("--adapter", adapter(d, config="[]")), "is damaged", "tune it again"),
    "adapter and tuning": (
        lambda d: d.edit("--adapter", d.good.adapter, "--tune", 1, "--source-prompt", "a cat"),
        "tune and adapter exclude each other",
        "a tuning already",
    ),
    "tuning without words": (lambda d: d.edit("--tune", 1), "tune needs source_prompt", "what the clip shows"),
    "vedit tune without words": (
        lambda d: ["tune", d.good.clip, "--model", d.good.model, "-o", d.out / "a.safetensors"],
        "prompt is missing",
        "What the clip shows",
    ),
    "tuning into a video": (
        lambda d: ["tune", d.good.clip, "--prompt", "a", "--model", d.good.model, "-o", d.out / "a.mp4"],
        "a.mp4",
        "written as .safetensors",
    ),
    "CUDA where there is none": (lambda d: no_cuda(d.edit("--device", "cuda")), "no 'cuda'", "use --device auto"),
    "unknown device": (lambda d: d.edit("--device", "tpu"), "--device: 'tpu' is unknown", "cuda:1 or mps"),
    "xformers on the CPU": (
        lambda d: d.edit("--device", "cpu", "--kernel", "xformers"),
        "xformers needs a CUDA device",
        "use --kernel sdpa",
    ),
}

WORDS: dict[str, Case] = {
    "a path as prompt": (lambda d: d.edit(prompt="/home/me/clip.mp4"), "PROMPT", "looks like a path"),
    "an empty prompt": (lambda d: d.edit(prompt="  "), "is empty", "expected words"),
    "5,000 words": (lambda d: d.edit(prompt="cat " * 5000), "5,000 words", "expected at most 2,000"),
    "no prompt": (lambda d: ["edit", d.good.clip, "--model", d.good.model], "PROMPT is missing", "vedit edit surfer"),
    "unknown attention": (lambda d: d.edit("--attention", "sparse_casual"), "'sparse_casual'", "'sparse_causal'?"),
    "steps 0": (lambda d: d.edit("--steps", 0), "--steps: '0'", "expected 1..1000"),
    "guidance NaN": (lambda d: d.edit("--guidance", "nan"), "--guidance: 'nan'", "is not a number"),
    "unknown flag": (lambda d: d.edit("--stpes", 3), "--stpes", "--steps"),
    "unknown command": (lambda d: ["edti", d.good.clip], "'edti'", "'edit'"),
    "no command": (lambda d: [], "no command given", "`vedit --help` lists them"),
    "unknown --set": (lambda d: d.edit("--set", "guidence=3"), "--set guidence", "did you mean 'guidance'?"),
    "--set without value": (lambda d: d.edit("--set", "steps"), "--set steps", "expected key=value"),
    "--set of no day": (lambda d: d.edit("--set", "seed=2020-13-45"), "--set seed=2020-13-45", "put quotes"),
    "missing settings": (lambda d: d.edit("--config", d.bad / "no.yaml"), "no.yaml cannot be read", "expected a YAML"),
    "bad YAML": (lambda d: with_config(d, "steps: [1\nseed: 2\n"), "settings.yaml:2", "not YAML"),
    "YAML that runs code": (
        lambda d: with_config(d, "prompt: !!python/object/apply:os.mkdir [opened]"),
        "settings.yaml:1",
        "not YAML",
    ),
    "YAML too deep": (lambda d: with_config(d, "a: " + "[" * 9000), "settings.yaml", "not YAML"),
    "YAML that grows": (lambda d: with_config(d, bomb()), "settings.yaml:1", "anchors and aliases"),
    "YAML within itself": (lambda d: with_config(d, "lora: &a [*a]"), "settings.yaml:1", "anchors and aliases"),
    "a number as prompt": (lambda d: with_config(d, "source_prompt: 3"), "source_prompt: 3", "put quotes"),
    "a number as LoRA": (lambda d: with_config(d, "lora: 3"), "lora: 3 is neither", "a list"),
    "a number as path": (lambda d: with_config(d, "sheet: 3"), "sheet: 3 is no path", "put quotes"),
    "one LoRA": (lambda d: d.edit("--set", "lora=abc"), "the LoRA 'abc' is no file", "expected file.safetensors"),
    "a list as settings": (lambda d: with_config(d, "- steps\n"), "holds no settings", "steps: 20"),
    "a picture as settings": (lambda d: with_config(d, b"\x89PNG\xff\xfe"), "is not text", "expected a YAML file"),
    "a wrong type": (
        lambda d: ["edit", d.good.clip, "a cat", "--config", d.file("s.yaml", "steps: 1\nseed: often\n")],
        "s.yaml:2: seed: 'often'",
        "not a whole number",
    ),
}

FILES: dict[str, Case] = {
    "missing folder": (lambda d: d.edit("-o", d.out / "no" / "o.mp4"), "no does not exist", "make it first"),
    "a file as folder": (
        lambda d: beside(d, "file", d.edit("-o", d.out / "file" / "o.mp4")),
        "file does not exist",
        "another place",
    ),
    "a sheet among the clip's pictures": (
        lambda d: d.edit("--sheet", pictures(d, (8, 8)) / "s.png", clip=d.bad / "pictures"),
        "s.png would become a picture of the clip",
        "another place",
    ),
    "the settings of another output": (
        lambda d: beside(d, "o.yaml", d.edit("-o", d.out / "o.mov")),
        "the settings of o.mov go there",
        "--overwrite",
    ),
    "the output exists": (lambda d: beside(d, "o.mp4", d.edit()), "o.mp4 exists already", "--overwrite"),
    "the sidecar exists": (lambda d: beside(d, "o.yaml", d.edit()), "o.yaml exists already", "--overwrite"),
    "the sheet exists": (
        lambda d: beside(d, "s.png", d.edit("--sheet", d.out / "s.png")),
        "s.png exists already",
        "--overwrite",
    ),
    "output onto the clip": (lambda d: own_source(d), "is the clip itself", "another place"),
    "output over the clip": (lambda d: own_source(d, "--overwrite"), "is the clip itself", "another place"),
    "a folder of other files": (
        lambda d: d.edit("-o", pictures(d, (8, 8)), "--overwrite"),
        "is not replaced",
        "choose another name",
    ),
    "unknown output": (lambda d: d.edit("-o", d.out / "o.wmv"), ".wmv cannot be written", "use .mp4"),
    "no name of an output": (lambda d: d.edit("-o", "."), ".:", "expected a name"),
    "a name too long": (lambda d: d.edit("-o", d.out / f"{'o' * 300}.mp4"), "ooo", "expected a name"),
    "a name that is not UTF-8": (
        lambda d: d.edit("-o", d.out / os.fsdecode(b"o-\xff.mp4")),
        "udcff.mp4'",
        "expected a name in UTF-8",
    ),
    "a damaged checkpoint": (
        lambda d: beside(
            d,
            "a.checkpoint.pt",
            ["tune", d.good.clip, "--prompt", "a", "--model", d.good.model, "-o", d.out / "a.safetensors"],
        ),
        "a.checkpoint.pt is damaged",
        "delete it",
    ),
    "a codec for larger pictures": (
        lambda d: d.edit("--codec", "libx265"),
        "libx265 does not encode pictures of 46x30",
        "use libx264",
    ),
    "a codec that does not fit": (
        lambda d: d.edit("-o", d.out / "o.webm", "--codec", "libx265"),
        ".webm cannot hold libx265",
        "leave --codec",
    ),
    "a sheet as .jpg": (lambda d: d.edit("--sheet", d.out / "s.jpg"), "s.jpg", "written as .png"),
    "rerun of a clip": (lambda d: ["rerun", d.good.clip], "is not text", "expected a YAML file"),
    "rerun of settings": (
        lambda d: ["rerun", d.file("s.yaml", "steps: 1\n")],
        "is not a sidecar",
        "with --config",
    ),
    "rerun without a source": (
        lambda d: ["rerun", d.sidecar(clip="gone.mp4"), "-o", d.out / "o.mp4"],
        "gone.mp4 does not exist",
        "expected a video file",
    ),
    "rerun over its result": (
        lambda d: ["rerun", sidecar := d.sidecar(), "-o", sidecar.with_suffix(".mp4")],
        "o.yaml exists already",
        "--overwrite",
    ),
    "rerun of a later version": (
        lambda d: ["rerun", d.sidecar(vedit="9.0.0", zoom="2"), "-o", d.out / "o.mp4"],
        "zoom: there is no such setting",
        "written by vedit 9.0.0, and this is",
    ),
    "the settings file itself": (
        lambda d: d.edit("--config", d.file("o.yaml", "steps: 1"), "-o", d.bad / "o.mp4", "--overwrite"),
        "o.yaml is the config itself",
        "another place",
    ),
    "a scaled LoRA itself": (
        lambda d: d.tune("--lora", f"{d.lora()}:-1", "-o", d.bad / "lora.safetensors"),
        "lora.safetensors is the lora itself",
        "another place",
    ),
    "a motion adapter's weights": (
        lambda d: d.tune("--motion-adapter", d.folder(), "-o", d.bad / "model" / f"{UNET}.safetensors"),
        "lies in the folder of the motion adapter",
        "another place",
    ),
    "weights of the model": (
        lambda d: d.tune("--model", d.folder(), "-o", d.bad / "model" / f"{UNET}.safetensors"),
        "lies in the folder of the model",
        "another place",
    ),
    "overwriting by a file": (
        lambda d: with_config(d, "steps: 1\noverwrite: true\n"),
        "settings.yaml:2: overwrite is not taken from a file",
        "--overwrite",
    ),
    "a pipe of settings": (
        lambda d: d.edit("--config", d.pipe("s.yaml")),
        "s.yaml' cannot be read: it is no plain file",
        "expected a YAML file",
    ),
    "a device as settings": (lambda d: ["rerun", "/dev/zero"], "it is no plain file", "expected a YAML file"),
    "rerun of another command": (
        lambda d: ["rerun", d.sidecar(command="tune"), "-o", d.out / "o.mp4"],
        "is not a sidecar",
        "with --config",
    ),
    "reconstruction onto the clip": (
        lambda d: ["invert", *own_source(d)[1:2], "--model", d.good.model, "-o", d.out / "o.mp4", "--overwrite"],
        "is the clip itself",
        "another place",
    ),
}


def masked(desk: Desk, mask: object, *more: object) -> list[object]:
    return desk.edit("--mask", mask, *more)


MASKS: dict[str, Case] = {
    "a mask that is not there": (lambda d: masked(d, d.bad / "m.png"), "m.png does not exist", "expected auto, none"),
    "a mask of a word": (lambda d: masked(d, "atuo"), "the mask atuo does not exist", "expected auto, none"),
    "text as a mask's picture": (
        lambda d: masked(d, d.file("m.png", "hello")),
        "m.png cannot be read as a picture",
        "expected one of PNG",
    ),
    "text as a mask's video": (
        lambda d: masked(d, d.file("m.mp4", "hello\n" * 99)),
        "m.mp4 cannot be read as video",
        "expected",
    ),
    "a mask of another length": (
        lambda d: masked(d, video(d.bad / "m.mp4", 3), "--frames", 2),
        "m.mp4 has 3 frames",
        "expected 5, those of the whole clip, or 2, those edited",
    ),
    "a mask that is black": (
        lambda d: masked(d, pictures(d, (16, 16)) / "0.png"),
        "0.png is black throughout",
        "paint white where the edit may happen",
    ),
    "a box outside of the picture": (
        lambda d: masked(d, "box:100,0,5,5"),
        "box:100,0,5,5 lies outside of the picture, which is 46x30",
        "move it",
    ),
    "a box that begins before the picture": (
        lambda d: masked(d, "box:-3,0,5,5"),
        "'box:-3,0,5,5' begins outside",
        "expected X and Y of 0 or more",
    ),
    "a box without area": (lambda d: masked(d, "box:1,1,0,5"), "'box:1,1,0,5' has no area", "expected W and H above 0"),
    "a garbled box": (lambda d: masked(d, "box:1,2,x"), "'box:1,2,x' is no box", "expected box:X,Y,W,H"),
    "a mask of no word": (lambda d: masked(d, "word: "), "'word: ' names no word", "expected word:WORD"),
    "a mask of a word without a source prompt": (
        lambda d: masked(d, "word:cat"),
        "--mask word:cat is a word of the source prompt",
        "--source-prompt",
    ),
    "a mask of a word that is not said": (
        lambda d: masked(d, "word:moon", "--source-prompt", "a dog"),
        "does not say 'moon'",
        "its words are: a, dog",
    ),
    "an empty mask": (lambda d: masked(d, ""), "--mask: '' is no path", "--mask"),
}

CASES = CLIPS | MODELS | WORDS | FILES | MASKS
