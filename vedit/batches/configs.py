"""The jobs of a batch: each a config of the table of jobs, with its outputs named, before anything is made."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedit.batches.axes import MOST_JOBS, Combination, axes_of, combinations
from vedit.batches.names import TemplateError, fields_of, fill
from vedit.batches.words import filled
from vedit.batches.written import Written, WrittenJob, read_jobs
from vedit.config import Settings
from vedit.config.anchors import anchored
from vedit.config.faults import cut
from vedit.config.merge import Layer, merge_or_faults
from vedit.config.named_files import fields_written
from vedit.config.paths import absolute, is_there
from vedit.jobs import Entry, jobs
from vedit.jobs.outputs import sidecar_path
from vedit.synonyms import nearest

PAGE, STATUS, LOCK, PREVIEWS = "index.html", "status.jsonl", ".batch.lock", "previews"
"""What a batch writes into its folder beside the outputs."""


NOTHING = Layer({})
"""No settings."""


@dataclass(frozen=True)
class BatchJob:
    """One job of a batch.

    Attributes:
        name: of its output, without the suffix, from the batch's folder on; each job has its own
        config: its settings, the outputs as paths in the batch's folder
        where: it stands, as a fault names it: "looks.yaml:7: job 2"
        names: what its axes' choices are called, for those that have names of their own
        varying: the settings that differ from job to job of the place where it stands
        made_with: the fingerprint of the model that a sidecar's result was made with; else empty
    """

    name: str
    config: Settings
    where: str
    names: Mapping[str, str]
    varying: tuple[str, ...] = ()
    made_with: str = ""

    @property
    def output(self) -> Path:
        """Its main output."""
        return Path(str(getattr(self.config, "output")))  # noqa: B009 (each kind of batch's jobs has one)


def read_batch(path: Path, folder: Path, changed: Layer = NOTHING) -> tuple[list[BatchJob], list[str]]:
    """The jobs that a file holds, and all faults that show without looking at what they read.

    Args:
        path: YAML, CSV, JSONL, or a folder of sidecars
        folder: where outputs go
        changed: settings of all jobs, over those of the file

    Raises:
        ConfigError: where nothing of the file can be read
    """
    faults: list[str] = []
    found: list[BatchJob] = []
    for job in read_jobs(path, faults):
        found += _jobs_of(job, absolute(folder), changed, faults)
        if len(found) > MOST_JOBS:
            faults.append(f"{path.name}: more than {MOST_JOBS:,} jobs; make several files of it")
            break
    faults += _collisions(found, absolute(folder))
    faults += _missing(found)
    return found, _gathered(faults)


def _jobs_of(job: WrittenJob, folder: Path, changed: Layer, faults: list[str]) -> Iterator[BatchJob]:
    entry = _entry(job, faults)
    if entry is None:
        return
    kind, sound = entry.config, len(faults)
    for layer in job.layers:
        given = kind.transient & layer.values.keys()
        faults += [f"{layer.label(name)} is not taken from a file; say --{name} where you mean it" for name in given]
    axes = axes_of(job, kind, faults)
    if len(faults) > sound:
        return
    varying = tuple(axis.name.replace("-", "_") for axis in axes)
    outputs = _templates(job, kind, varying, faults)
    for combination in combinations(job, axes):
        # Templates of outputs have fields of their own.
        texts = filled((each.without(*fields_written(kind)) for each in combination.layers), faults)
        merged = merge_or_faults(kind, *(_layer(each, kind) for each in texts), changed)
        if isinstance(merged, list):
            faults += merged
            continue
        named = _outputs(outputs, merged, combination, folder, job.own, faults)
        if "output" in named:
            where = f"{job.own.file}:{job.own.line}" + (f": {job.own.part}" if job.own.part else "")
            name = named["output"].relative_to(folder).with_suffix("").as_posix()
            config = merged.model_copy(update=named)
            yield BatchJob(name, config, where, combination.names, varying, job.made_with)


def _entry(job: WrittenJob, faults: list[str]) -> Entry | None:
    entry = jobs().get(job.command)
    named = next((layer for layer in reversed(job.layers) if "command" in layer.lines), job.own)
    can = [name for name, each in jobs().items() if "output" in each.config.model_fields]
    if entry is None or "output" not in entry.config.model_fields:
        faults.append(f"{named.label('command')}: {cut(repr(job.command))} is no job; {nearest(cut(job.command), can)}")
        return None
    return entry


def _layer(written: Written, kind: type[Settings]) -> Layer:
    """Settings as they count, with paths relative to where we are."""
    return Layer(anchored(dict(written.values), kind, written.folder), written.label)


# Outputs


@dataclass(frozen=True)
class _Template:
    text: str
    label: str


def _templates(
    job: WrittenJob, kind: type[Settings], varying: Sequence[str], faults: list[str]
) -> dict[str, _Template]:
    """The templates of the files that a job writes, by the settings that name them."""
    found: dict[str, _Template] = {"output": _Template(_default_output(kind, varying), job.own.label("output"))}
    known = {*kind.model_fields, *varying}
    for layer in job.layers:
        for key in layer.values:
            if (name := key.replace("-", "_")) in fields_written(kind) and layer.values[key] is not None:
                found[name] = _Template(str(layer.values[key]), layer.label(key))
    for template in found.values():
        try:
            unknown = [each for each in fields_of(template.text) if each not in known]
        except TemplateError as fault:
            faults.append(f"{template.label}: {fault}")
            continue
        faults += [f"{template.label}: {{{each}}} is no setting; {nearest(cut(each), known)}" for each in unknown]
    return found


def _default_output(kind: type[Settings], varying: Sequence[str]) -> str:
    """A folder for each clip, and in it names of all that varies beside it; without a clip, of all that varies."""
    clip = "clip" in kind.model_fields
    others = [name for name in varying if name != "clip"] or ["prompt" if "prompt" in kind.model_fields else kind.job]
    plain = "-".join(f"{{{name}}}" if name in {*kind.model_fields, *varying} else name for name in others)
    return f"{'{clip}/' if clip else ''}{plain}{kind.suffix}"


def _outputs(
    templates: Mapping[str, _Template],
    config: Settings,
    combination: Combination,
    folder: Path,
    own: Written,
    faults: list[str],
) -> dict[str, Path]:
    """The paths in ``folder`` that the templates become; those that lead out of it are faults."""

    def value_of(name: str) -> Any:
        return combination.names.get(name, getattr(config, name, None))

    named = {}
    for name, template in templates.items():
        try:
            named[name] = folder / fill(template.text, value_of)
        except TemplateError as fault:
            faults.append(f"{template.label}: {fault}")
    return named


def _collisions(found: Sequence[BatchJob], folder: Path) -> Iterator[str]:
    """Faults for files that two jobs would write, or a job and the batch itself, or one job twice."""
    owners = {_plain(folder / name): "the batch itself" for name in (PAGE, STATUS, LOCK, PREVIEWS)}
    for job in found:
        paths = [Path(path) for name in fields_written(type(job.config)) if (path := getattr(job.config, name))]
        if jobs()[job.config.job].again:
            paths.append(sidecar_path(job.output))
        for path in paths:
            above = (each for each in path.parents if each.is_relative_to(folder) and each != folder)
            taken = next((owners[each] for each in map(_plain, (path, *above)) if each in owners), None)
            if taken is not None:
                told = {job.name: "the same job", job.where: "another of its combinations"}.get(taken, taken)
                yield (
                    f"{job.where}: {cut(path.relative_to(folder).as_posix())} is written by {told} too; put what "
                    "differs into the name, such as {seed}"
                )
                break
            owners[_plain(path)] = job.name
        owners |= {_plain(path): job.where for path in paths}


def _missing(found: Sequence[BatchJob]) -> Iterator[str]:
    """Faults for files that are read and are not there."""
    for job in found:
        for file in job.config.files_read():
            if not is_there(file.path):
                yield f"{job.where}: {file.setting}: {cut(str(file.path))} does not exist"


def _plain(path: Path) -> str:
    """A path as file systems compare it that tell neither case nor the composition of letters apart."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def _gathered(faults: Sequence[str]) -> list[str]:
    """Each fault once, in their order: a fault of the defaults is one, however many jobs have it."""
    return list(dict.fromkeys(faults))
