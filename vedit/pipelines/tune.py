"""``vedit tune``: one clip learnt, into a small adapter file."""

from __future__ import annotations

from pathlib import Path

from vedit.config import TuneConfig
from vedit.errors import MediaError
from vedit.pipelines.opening import attention_kind, open_job
from vedit.pipelines.running import check_output, named_after, within_memory
from vedit.progress import Progress
from vedit.tuning import tune


def run(config: TuneConfig, progress: Progress | None = None) -> Path:
    """Tune, write the adapter, return its path. Without ``output``, "<clip>.safetensors" in the current folder.

    A checkpoint lies beside the adapter while it works, so that the same command goes on where it was interrupted.
    Raises ConfigError, MediaError, WeightsError or DeviceError.
    """
    output = checked(config).output
    assert output is not None
    source, _, backbone = open_job(config)
    checkpoint = checkpoint_of(output)
    with within_memory():
        adapter = tune(
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
    adapter.save(output, overwrite=config.overwrite)
    checkpoint.unlink(missing_ok=True)
    return output


def checkpoint_of(output: Path) -> Path:
    """Where a tuning that was interrupted is kept."""
    return output.with_suffix(".checkpoint.pt")


def checked(config: TuneConfig) -> TuneConfig:
    """The config with its output named, once that can be written. Raises MediaError, or ConfigError for the clip."""
    output = config.output or named_after(config.clip, ".safetensors")
    if output.suffix != ".safetensors":
        raise MediaError(f"{output}: an adapter is written as .safetensors.")
    check_output(output, config.files_read(), config.overwrite)
    return config.model_copy(update={"output": output})
