"""The jobs of a batch: each a config of the table of jobs, with its outputs named, before anything is made."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin

from vedit.batches.axes import Axis, axes_of, combinations, count, each_choice
from vedit.batches.collisions import collisions
from vedit.batches.folder import OWN
from vedit.batches.outputs import Template, default_output, outputs_of
from vedit.batches.reading import can_be_made, read_jobs
from vedit.batches.words import WORDS, filled
from vedit.batches.written import MOST_JOBS, Assigned, Level, Written, WrittenJob
from vedit.config import Settings
from vedit.config.anchors import anchored
from vedit.config.faults import cut
from vedit.config.merge import Layer, merge_or_faults
from vedit.config.named_files import NamedFile, fields_written, naming
from vedit.config.paths import absolute, is_there, local_path
from vedit.errors import one_line
from vedit.jobs import Entry, entry_of
from vedit.jobs.outputs import sidecar_path
from vedit.synonyms import nearest

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

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it writes, the main output first."""
        beside = [sidecar_path(self.output)] if entry_of(self.config).again else []
        others = [getattr(self.config, name) for name in fields_written(type(self.config)) if name != "output"]
        return (self.output, *beside, *(Path(path) for path in others if path))


def read_batch(path: Path, folder: Path, changed: Layer = NOTHING) -> tuple[list[BatchJob], list[str]]:
    """The jobs that a file holds, and all faults that show without looking at what they read.

    Args:
        path: YAML, CSV, JSONL, or a folder of sidecars
        folder: where outputs go
        changed: settings of all jobs, over those of the file

    Raises:
        ConfigError: where nothing of the file can be read
    """
    faults, found = list[str](), list[BatchJob]()
    folder, given = absolute(folder), {str(key).replace("-", "_"): value for key, value in changed.values.items()}
    over = Level(Assigned(given, "", Path.cwd(), said=changed.label))
    written = read_jobs(path, faults)
    kinds = {entry.config for job in written if (entry := can_be_made().get(job.command)) is not None}
    shared = dict.fromkeys(name for kind in sorted(kinds, key=lambda kind: kind.job) for name in kind.model_fields)
    if too_many := len(written) > MOST_JOBS:
        written = []
    multiplied = [each for job in written if (each := _multiplied(job, over, shared, faults)) is not None]
    if too_many or sum(count(each.axes) for each in multiplied if each.sound) > MOST_JOBS:
        faults.append(f"{path.name}: more than {MOST_JOBS:,} jobs; make several files of it")
        multiplied = [replace(each, sound=False) for each in multiplied]
    for each in multiplied:
        found += _jobs_of(each, folder, faults)
    faults += collisions(found, folder, path, OWN)
    return found, gathered(faults)


def gathered(faults: Iterable[str]) -> list[str]:
    """Each fault once and in one line, in the order of their lines, those without one last: a fault of the defaults is
    one, however many jobs have it."""

    def place(fault: str) -> tuple[bool, str, int]:
        found = re.match(r"(.+?):(\d+):", fault)
        return (False, found[1], int(found[2])) if found else (True, "", 0)

    return sorted(dict.fromkeys(one_line(fault) for fault in faults), key=place)


@dataclass(frozen=True)
class _Multiplied:
    """A written job with its axes, before their combinations are made.

    Attributes:
        kind: of its config
        levels: the defaults, its own settings, those over them
        unsaid: settings that have no value since something is wrong with theirs, which is told already
        sound: whether there are jobs of it; else its values are looked at alone
    """

    job: WrittenJob
    kind: type[Settings]
    levels: tuple[Level, ...]
    axes: tuple[Axis, ...]
    unsaid: Collection[str]
    sound: bool


def _multiplied(job: WrittenJob, over: Level, shared: Collection[str], faults: list[str]) -> _Multiplied | None:
    """A written job with its axes; None for one of no kind.

    Args:
        over: settings over its own
        shared: names of the settings that the jobs of the file have
    """
    entry = _entry(job, faults)
    if entry is None:
        return None
    kind, before, (*defaults, own) = entry.config, len(faults), job.levels
    *defaults, over = (_meant_for(kind, each, shared, faults) for each in (*defaults, over))
    levels = (*defaults, own, over)
    axes, lost = axes_of(levels, kind, faults)
    choices = [choice.settings for axis in axes for choice in axis.choices]
    for written in (*(level.settings for level in levels), *choices):
        given = kind.transient & written.values.keys()
        faults += [f"{written.label(name)} is not taken from a file; say --{name} where you mean it" for name in given]
    if (number := count(axes)) > MOST_JOBS:
        faults.append(f"{job.where}: {number:,} combinations; expected at most {MOST_JOBS:,}")
    sound = job.sound and len(faults) == before
    return _Multiplied(job, kind, levels, tuple(axes), lost if job.sound else {*kind.model_fields}, sound)


def _jobs_of(given: _Multiplied, folder: Path, faults: list[str]) -> list[BatchJob]:
    """The jobs that a written one stands for; none where it is not sound, but then too each value is looked at."""
    job, kind, axes, unsaid = given.job, given.kind, given.axes, given.unsaid
    default, found = Template(default_output(kind, axes), f"{job.where}: output"), list[BatchJob]()
    for combination in (combinations if given.sound else each_choice)(given.levels, axes):
        # Templates of outputs have fields of their own. Words may be lost with what is told already.
        plain = (each.without(*fields_written(kind)) for each in combination.layers)
        layers = [_layer(each, kind) for each in filled(plain, [] if unsaid else faults)]
        merged = merge_or_faults(kind, *layers, where=job.where, unsaid=unsaid)
        if isinstance(merged, list):
            faults += [_advised(fault, layers, kind) for fault in merged]
            faults += _missing(_plainly_read(kind, layers), layers, job.where, unsaid)
            outputs_of(kind, combination, default, folder, faults)
            continue
        faults += _missing(merged.files_read(), layers, job.where, unsaid)
        outputs = outputs_of(merged, combination, default, folder, faults)
        if given.sound and "output" in outputs:
            name = outputs["output"].relative_to(folder).with_suffix("").as_posix()
            config, varying = merged.model_copy(update=outputs), tuple(axis.name for axis in axes)
            found.append(BatchJob(name, config, job.where, combination.names, varying, job.made_with))
    return found


def _entry(job: WrittenJob, faults: list[str]) -> Entry | None:
    can = can_be_made()
    if job.command in can:
        return can[job.command]
    faults.append(f"{job.command_label}: {cut(repr(job.command))} is no job; {nearest(cut(job.command), can)}")
    return None


def _meant_for(kind: type[Settings], level: Level, shared: Collection[str], faults: list[str]) -> Level:
    """Of what is said for all jobs of a file, what jobs of this ``kind`` have. What none has is a fault."""
    unknown = [name for name in level.settings.values if name not in (*shared, WORDS)]
    for name in unknown:
        told = f"there is no such setting; {nearest(cut(name), shared)}"
        faults.append(f"{level.settings.label(cut(name))}: {told}")
    return level.without(*unknown, *(name for name in shared if name not in kind.model_fields))


def _layer(written: Written, kind: type[Settings]) -> Layer:
    """Settings as they count, with paths relative to where we are."""
    return Layer(anchored(dict(written.values), kind, written.folder), written.label)


def _advised(fault: str, layers: Sequence[Layer], kind: type[Settings]) -> str:
    """A fault; where a list was given for what is one value, with where lists of values stand."""
    for layer in layers:
        for name, value in layer.values.items():
            meant = name if name in kind.model_fields else name.removesuffix("s")
            if not isinstance(value, list) or not fault.startswith(f"{layer.label(name)}: "):
                continue
            if meant in kind.model_fields and not _takes_lists(kind.model_fields[meant].annotation):
                begin = fault if meant == name else f"{layer.label(name)}: there is no such setting"
                return f"{begin}; several values of {meant}, each of which is taken, stand under 'product'"
    return fault


def _takes_lists(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, list) or any(_takes_lists(each) for each in get_args(annotation))


def _missing(files: Iterable[NamedFile], layers: Sequence[Layer], where: str, unsaid: Collection[str]) -> Iterator[str]:
    """Faults for files that are read and are not there, but for those of the settings ``unsaid``."""
    for file in files:
        name, *within = file.setting.split()
        if name not in unsaid and not is_there(file.path):
            layer = next((each for each in reversed(layers) if name in each.values), None)
            label = f"{where}: {name}" if layer is None else layer.label(name)
            yield f"{' '.join((label, *within))}: {file.path} does not exist"


def _plainly_read(kind: type[Settings], layers: Sequence[Layer]) -> Iterator[NamedFile]:
    """The files that settings name each by itself, for where no config can be made of them all."""
    values = {name: value for layer in layers for name, value in layer.values.items()}
    for name, how in naming(kind).items():
        value = values.get(name)
        if not isinstance(value, str) or how.written or how.whole:
            continue
        with suppress(ValueError):  # what is no path is told as a value that is wrong
            yield from [NamedFile(name, path) for path in how.paths(str(local_path(value)))]
