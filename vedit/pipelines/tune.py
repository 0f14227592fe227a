"""``vedit tune``: one-shot tuning on a clip, into a small adapter file."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from vedit import tuning
from vedit.adapters.tuned import Adapter
from vedit.backbone.model import Backbone
from vedit.backbone.sizes import working_size
from vedit.clip import Clip, probe
from vedit.config import TuneConfig
from vedit.config.options import TuneOptions
from vedit.errors import MediaError
from vedit.pipelines import prompt_schedule
from vedit.pipelines.arguments import clip_setting, job, job_config, loaded_model
from vedit.pipelines.execution import within_memory
from vedit.pipelines.outputs import check_output, default_output
from vedit.pipelines.session import attention_kind, open_job, read_source
from vedit.progress import Progress


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
    size = clip.size if isinstance(clip, Clip) else probe(config.clip).size
    model = loaded_model(backbone, config)
    if isinstance(clip, Clip):
        source = clip.resized(working_size(size, config.size, model.unet.config, model.vae_scale_factor))
    else:
        source = read_source(config, size, model)
    return _tune(config, source, model, progress)


def run(config: TuneConfig, progress: Progress | None = None) -> Path:
    """Tune, write the adapter, return its path. Without ``output``, "<clip>.safetensors" in the current folder.

    A checkpoint lies beside the adapter while it works, so that the same command goes on where it was interrupted.
    Raises ConfigError, MediaError, WeightsError or DeviceError.
    """
    output = checked(config).output
    assert output is not None
    source, _, backbone = open_job(config)
    _tune(config.model_copy(update={"output": output}), source, backbone, progress)
    return output


def _tune(config: TuneConfig, source: Clip, backbone: Backbone, progress: Progress | None) -> Adapter:
    """The tuning itself, on ``source`` at the working size, and the file that is asked for, if any."""
    checkpoint = None if config.output is None else checkpoint_of(config.output)
    prompt_schedule.hint_at_unknown(backbone.tokenizer, config.prompt)
    with within_memory():
        adapter = tuning.tune(
            backbone,
            source.frames,
            config.prompt,
            steps=config.steps,
            learning_rate=config.learning_rate,
            recipe=config.recipe,
            attention=attention_kind(config, backbone),
            seed=config.seed,
            checkpoint=checkpoint,
            progress=progress,
        )
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
