"""What is wrong with models, adapters, LoRAs and other weights."""

from __future__ import annotations

import json

import torch

from tests.bad.case import Case
from tests.bad.things import UNET, adapter, changed, compressed, cut, no_cuda, pickled, sdxl

MODELS: dict[str, Case] = {
    "unknown model": (lambda d: d.edit(model="sd1.5"), "'sd1.5' is no folder", "did you mean 'sd15' or 'sd21'?"),
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
