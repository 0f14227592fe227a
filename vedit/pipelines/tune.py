"""``vedit tune``: one-shot tuning on a clip, into a small adapter file."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from vedit.adapters.tuned import Adapter
from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.config import TuneConfig
from vedit.config.options import TuneOptions
from vedit.errors import MediaError
from vedit.graph import Run
from vedit.pipelines import prompt_schedule
from vedit.pipelines.arguments import clip_setting, job, job_config, loaded_model
from vedit.pipelines.outputs import check_output, default_output
from vedit.pipelines.session import attention_kind, check_resources, clip_facts, needs_flow, source_stage
from vedit.progress import Progress
from vedit.session import Session
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Encode
from vedit.stages.tune import Tune


@job(TuneConfig, "clip", "prompt")
def tune(
    backbone: Backbone | str | Path,
    clip: Clip | str | Path,
    prompt: str,
    *,
    progress: Progress | None = None,
    **settings: Unpack[TuneOptions],
) -> Adapter:
    """Teach a model one clip (Tune-A-Video), and return what it learned: an adapter for ``load_backbone`` and ``edit``.

    ``backbone``: a loaded model, which comes back as it was, or the name of one to load. ``clip``: a Clip, or the path
    of one; ``prompt``: what it shows. The adapter is written only where ``output`` is given; a checkpoint then lies
    beside it while it works. Raises TypeError for arguments of another kind, ConfigError for the settings, and what
    reading, tuning and writing raise.
    """
    config = job_config(TuneConfig, backbone, {**settings, "clip": clip_setting(clip, settings), "prompt": prompt})
    if config.output is not None:
        checked(config)
    return _tune(config, backbone, clip if isinstance(clip, Clip) else None, progress)


def run(config: TuneConfig, progress: Progress | None = None) -> Path:
    """Tune, write the adapter, return its path. Without ``output``, "<clip>.safetensors" in the current folder.

    A checkpoint lies beside the adapter while it works, so that the same command goes on where it was interrupted.
    Raises ConfigError, MediaError, WeightsError or DeviceError.
    """
    output = checked(config).output
    assert output is not None
    _tune(config.model_copy(update={"output": output}), progress=progress)
    return output


def _tune(
    config: TuneConfig,
    backbone: Backbone | str | Path | None = None,
    clip: Clip | None = None,
    progress: Progress | None = None,
) -> Adapter:
    """The tuning itself, and the file that is asked for, if any."""
    size, frames = clip_facts(config, clip)
    network = loaded_model(config.model if backbone is None else backbone, config)
    check_resources(config, frames, size, network)
    checkpoint = None if config.output is None else checkpoint_of(config.output)
    prompt_schedule.hint_at_unknown(network.tokenizer, config.prompt)
    session, kind = Session(progress), attention_kind(config, network)
    model, source = session.hold(network), source_stage(config, clip, size, network)
    flow = EstimateFlow(source) if needs_flow("attention", kind) else None
    rate, recipe, latents = config.learning_rate, config.recipe, Encode(source, model)
    learn = Tune(source, latents, flow, model, config.prompt, config.steps, rate, recipe, kind, config.seed, checkpoint)
    adapter = Run(session)(learn)
    if config.output is not None:
        adapter.save(config.output, overwrite=config.overwrite)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return adapter


def checkpoint_of(output: Path) -> Path:
    """Where a tuning that was interrupted is kept."""
    return output.with_suffix(".checkpoint.pt")


def checked(config: TuneConfig) -> TuneConfig:
    """The config with its output named, once that can be written. Raises MediaError, or ConfigError for the clip."""
    output = config.output or default_output(config.clip, ".safetensors")
    if output.suffix != ".safetensors":
        raise MediaError(f"{output}: an adapter is written as .safetensors.")
    check_output(output, config.files_read(), config.overwrite)
    return config.model_copy(update={"output": output})
