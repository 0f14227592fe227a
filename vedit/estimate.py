"""The cost of a job, estimated without running it: its time, its memory, and what they are made of."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import torch

from vedit.adapters.lora import Lora
from vedit.adapters.tuned import Adapter
from vedit.backbone.loading import choose_device, choose_dtype, read_tokenizer
from vedit.backbone.notes import read_notes
from vedit.backbone.sizes import working_size
from vedit.clip.sizes import Size
from vedit.config import EditConfig, GenerateConfig, InvertConfig, TuneConfig
from vedit.machine_memory import free_memory, held_memory
from vedit.network_cost import Cost, NetworkCost, config_folder
from vedit.pipelines import controls, guidance, prompt_schedule, soundtrack
from vedit.pipelines.generate import frames_of, size_of
from vedit.pipelines.resources import (
    FRAME,
    FRAMES_HELD,
    OWN_SIZE,
    QUEUE,
    QUEUED,
    check_fits,
    format_bytes,
    format_duration,
    how_to_shorten,
)
from vedit.pipelines.session import Job, probe_source
from vedit.pipelines.unet_passes import branches, runs

Rows = list[list[str]]

ADAM = 2
"""Numbers in float32 that the optimizer keeps for each one that it tunes."""

WARM = 60 * 2**20
"""Bytes that libraries take for themselves when they first compute."""

PIXEL_SECONDS = 1.5e-7
"""Seconds for each pixel of the clip's own pictures that is read, pasted and encoded; measured with H.264."""


def estimate(config: Job | GenerateConfig) -> Iterator[tuple[str, Rows]]:
    """Tables of what it would cost in all, the settled settings, the work and the memory: title, rows.

    Loads no weights. Motion modules, LoRAs and third parties' conditioners are not counted. Raises MediaError and
    WeightsError as the job itself would; and DeviceError, after the tables, where it cannot fit into the memory.
    """
    device = choose_device(config.device)  # before anything is read or fetched
    dtype = choose_dtype(config.dtype, device)
    settings = [[name, str(value)] for name, value in config.model_dump(mode="json").items()]
    sound = None if isinstance(config, TuneConfig | InvertConfig) else soundtrack.read(config)
    if isinstance(config, GenerateConfig):
        info, frames, rate = None, frames_of(config, sound), Fraction(str(config.fps))
    else:
        info, chosen = probe_source(config)
        frames, rate = len(chosen), info.rate / config.stride
    for spec in config.lora:
        Lora.of(spec)  # says what is not there
    if config.adapter is not None:
        learned = str(Adapter.load(config.adapter).config.get("prompt", ""))
        if isinstance(config, EditConfig | InvertConfig) and config.source_prompt is None:
            config = config.model_copy(update={"source_prompt": learned})
    folder = config_folder(config.model)
    if isinstance(config, EditConfig):
        defaults = controls.default_controls(config, config.source_prompt or "", read_notes(folder))
        config = config.model_copy(update={"control": config.control or defaults})
    model = NetworkCost(folder, config, frames, dtype)
    if isinstance(config, EditConfig | GenerateConfig):
        moments = soundtrack.prepare(config, frames, rate, sound).moments
        known = (folder / "tokenizer").is_dir()  # of a single file only the layout is known
        tokenizer = read_tokenizer(folder, model.text) if known else None
        guidance.check_times(config, moments, tokenizer)
        guidance.hint_at_sound_encoder(config, model.notes.sound_encoder)
        if tokenizer is not None:
            source = (config.source_prompt or "") if isinstance(config, EditConfig) else ""
            prompt_schedule.hint_at_unknown(tokenizer, source, *prompt_schedule.prompts(config), config.negative_prompt)
    if isinstance(config, GenerateConfig):
        own = size = size_of(config, model.unet_config, model.vae_scale_factor)
        told = [["frames", str(frames)], ["size", f"{size[1]}x{size[0]}"]]
    else:
        assert info is not None
        own, size = info.size, working_size(info.size, config.size, model.unet_config, model.vae_scale_factor)
        told = [["frames", f"{frames} of {info.frames}"], ["size", f"{_across(own)}, worked on at {_across(size)}"]]
    work, activations = _work(config, model, size, frames)
    flop = sum(times * each for _, times, each in work)
    pixels = 0 if isinstance(config, TuneConfig) else frames * own[0] * own[1]
    seconds = flop / model.speed(size, device) + pixels * PIXEL_SECONDS + time.process_time()
    memory = _memory(config, model, activations, frames, size, own)
    memories = _memories(memory, device)
    yield "in all, about", [["time", format_duration(seconds)], *([each.name, str(each)] for each in memories)]
    yield "settings", settings
    yield "clip", [*told, ["latents", f"{size[1] // model.vae_scale_factor}x{size[0] // model.vae_scale_factor}"]]
    yield (
        "work",
        [
            *([name, f"{times} x {_flop(each)}"] for name, times, each in work),
            ["in all", _flop(flop)],
        ],
    )
    parts = [*memory.items(), ("in all", sum(memory.values()))]
    yield "memory, about", [[name, format_bytes(count)] for name, count in parts if count]
    for each in memories:
        check_fits(each.need - each.held, each.free, how_to_shorten(config))


def _across(size: Size) -> str:
    return f"{size[1]}x{size[0]}"


@dataclass(frozen=True)
class Memory:
    """What is needed of a memory, how much of that this process holds already, and what is free beside it, in bytes."""

    name: str
    need: float
    held: float
    free: int | None

    def __str__(self) -> str:
        return format_bytes(self.need) + ("" if self.free is None else f", and {format_bytes(self.free)} are free")


def _memories(memory: Mapping[str, float], device: torch.device) -> list[Memory]:
    """The machine's memory, and a GPU's own."""
    need, held = sum(memory.values()), memory[PROCESS] - WARM
    if device.type != "cuda":
        return [Memory("memory", need, held, free_memory())]
    ours = sum(memory[name] for name in ON_MACHINE)
    return [
        Memory("memory", ours, held, free_memory()),
        Memory("memory of the GPU", need - ours, 0, torch.cuda.mem_get_info(device)[0]),
    ]


def _work(
    config: Job | GenerateConfig, model: NetworkCost, size: Size, frames: int
) -> tuple[list[tuple[str, int, float]], float]:
    """The passes of a job, (what, how often, operations of each), and the largest activations in bytes."""
    decode = model.decode(size)
    work: list[tuple[str, int, float]] = []
    largest = decode.bytes

    def add(name: str, times: int, cost: Cost) -> None:
        nonlocal largest
        work.append((name, times, cost.flop))
        largest = max(largest, cost.bytes)

    if not isinstance(config, GenerateConfig):
        add("VAE, in", frames, model.encode(size))
    if isinstance(config, TuneConfig):
        add("tuning steps", config.steps, model.learn(size))
        return work, largest
    if isinstance(config, EditConfig) and config.tune:
        add("tuning steps", config.tune, model.learn(size))
    once = model.predict(size)
    for each in runs(config, encoder=model.hears):
        add(each.what, each.times, once * each.branches)
    if isinstance(config, EditConfig):
        for what, times, cost in _controls(config, model, size):
            add(what, times, cost)
    decoded = 2
    if isinstance(config, GenerateConfig):
        decoded = 1
    elif isinstance(config, EditConfig) and config.prior == "inversion" and config.check_inversion:
        decoded = 3
    add("VAE, out", decoded * frames, decode)
    return work, largest


def _controls(config: EditConfig, model: NetworkCost, size: Size) -> Iterator[tuple[str, int, Cost]]:
    """What, how often, and at which cost ControlNets run beside the UNet."""
    for control, net in zip(config.control or (), model.controls, strict=True):
        begin = max(control.start, 1 - config.steps_taken / config.steps)
        acting = max(0, round((control.stop - begin) * config.steps))
        if config.prior == "inversion" and config.control_inversion:
            times = round((control.stop - control.start) * config.steps) * max(1, config.inversion_corrections)
            times += 1 if config.inversion_corrections and control.stop == 1 else 0  # the first one, at the clean end
            times += acting if config.check_inversion else 0
            yield f"ControlNet {control.kind}, inverting", times, model.steer(net, size, 1)
        yield f"ControlNet {control.kind}", acting, model.steer(net, size, branches(config, model.hears))


PROCESS, FRAMES, PASSING = "the program itself", "frames", "reading and writing"
ON_MACHINE = PROCESS, FRAMES, PASSING
"""Of the memory, what does not lie on a GPU."""


def _memory(
    config: Job | GenerateConfig, model: NetworkCost, activations: float, frames: int, size: Size, own: Size
) -> dict[str, float]:
    """Bytes that a job holds at most, by what they are for. ``size`` is that which is worked at, ``own`` the clip's."""
    positions = (size[0] // model.vae_scale_factor) * (size[1] // model.vae_scale_factor)
    # Either the network runs on all frames, or frames of the clip's own size are read or written, a few at a time.
    passing = own[0] * own[1] * (OWN_SIZE + QUEUED * min(frames, QUEUE))
    parts = {
        PROCESS: held_memory() + WARM,
        "weights": model.weights(),
        "activations, at most": activations,
        "optimizer": model.tuned() * 4 * ADAM if model.tuning else 0.0,
        "inversion": (config.steps + 1) * frames * 4 * positions * 4
        if isinstance(config, EditConfig | InvertConfig)
        else 0.0,
        FRAMES: FRAMES_HELD * frames * size[0] * size[1] * FRAME,
        PASSING: max(0.0, passing - activations),
    }
    # While weights are read, the file of the largest network lies in memory beside them.
    besides = sum(parts.values()) - parts[PROCESS] - parts["weights"]
    return parts | {"loading": max(0.0, model.loading() - besides)}


def _flop(count: float) -> str:
    return f"{count / 1e12:,.3f} TFLOP" if count >= 1e11 else f"{count / 1e9:.3f} GFLOP"
