"""What is wrong with prompts and other settings, given as flags, in a file or by --set."""

from __future__ import annotations

from tests.bad.case import Case
from tests.bad.things import bomb, with_config

SETTINGS: dict[str, Case] = {
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
    "an address in a file": (
        lambda d: with_config(d, "audio: http://a/b.wav"),
        "'http://a/b.wav' is an address",
        "file on",
    ),
    "a home of nobody": (lambda d: with_config(d, 'audio: "~\\0"'), "audio: '", "is no path"),
    "one LoRA": (lambda d: d.edit("--set", "lora=abc"), "the LoRA 'abc' is no file", "expected file.safetensors"),
    "a list as settings": (lambda d: with_config(d, "- steps\n"), "holds no settings", "steps: 20"),
    "a picture as settings": (lambda d: with_config(d, b"\x89PNG\xff\xfe"), "is not text", "expected a YAML file"),
    "a wrong type": (
        lambda d: ["edit", d.good.clip, "a cat", "--config", d.file("s.yaml", "steps: 1\nseed: often\n")],
        "s.yaml:2: seed: 'often'",
        "not a whole number",
    ),
}
