"""The files that a job of a batch writes: in the batch's folder, named by templates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedit.batches.axes import Axis, Combination
from vedit.batches.names import TemplateError, fields_of, fill
from vedit.config import Settings
from vedit.config.faults import cut
from vedit.config.named_files import fields_written, naming
from vedit.synonyms import nearest


@dataclass(frozen=True)
class Template:
    """What names a file, and how faults begin that are of it."""

    text: Any
    label: str


def outputs_of(
    made: Settings | type[Settings],
    combination: Combination,
    default: Template,
    folder: Path,
    faults: list[str],
) -> dict[str, Path]:
    """The files in ``folder`` that a job writes, by the settings that name them; what names none there is a fault.

    Args:
        made: the job's settings, or, where they cannot be made, their kind, to look for faults alone
        default: what names the output where no setting does
    """
    kind, found = made if isinstance(made, type) else type(made), dict[str, Path]()
    for name, template in {"output": default, **_templates(kind, combination)}.items():
        try:
            path = folder / _filled(template.text, kind, None if isinstance(made, type) else made, combination)
            if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(folder)):
                raise TemplateError(f"{cut(template.text)!r} leads out of the output folder through a link")
            found[name] = path
        except TemplateError as fault:
            faults.append(f"{template.label}: {fault}")
    return found


def _templates(kind: type[Settings], combination: Combination) -> dict[str, Template]:
    """The templates that settings give, later ones in place of earlier; none for a name that is settled as null."""
    given = {
        name: Template(layer.values[name], layer.label(name))
        for layer in combination.layers
        for name in fields_written(kind)
        if name in layer.values
    }
    return {name: template for name, template in given.items() if template.text is not None}


def _filled(template: Any, kind: type[Settings], config: Settings | None, combination: Combination) -> Path:
    """The relative path that a template becomes; without settings, with any values. Raises TemplateError."""
    if isinstance(template, Path):
        template = str(template)
    if not isinstance(template, str):
        raise TemplateError(f"{cut(repr(template))} is no path; put quotes around it")
    left_out = {*fields_written(kind), *kind.transient}
    known = dict.fromkeys([*(name for name in kind.model_fields if name not in left_out), *combination.names])
    if unknown := [name for name in fields_of(template) if name not in known]:
        raise TemplateError(f"{{{cut(unknown[0])}}} is no setting; {nearest(cut(unknown[0]), known)}")
    return fill(template, lambda name: 0 if config is None else _value_of(name, config, combination))


def _value_of(name: str, config: Settings, combination: Combination) -> Any:
    """What a template says for a field: of a file its path."""
    if name in combination.names:
        return combination.names[name]
    value, how = getattr(config, name), naming(type(config)).get(name)
    return Path(value) if how is not None and isinstance(value, str) and how.paths(value) else value


def default_output(kind: type[Settings], axes: Sequence[Axis]) -> str:
    """A folder for each clip, and in it names of the prompt, unless a job of a clip may have none, and of what varies
    beside the clip."""
    varying = [axis.name for axis in axes if axis.name != "clip" and (axis.is_named or axis.name in kind.model_fields)]
    fields = [name for name in varying if name not in fields_written(kind)]
    by_axis = {name for axis in axes for choice in axis.choices for name in choice.settings.values}
    prompt, folder = kind.model_fields.get("prompt"), "{clip}/" if "clip" in kind.model_fields else ""
    if prompt is not None and "prompt" not in by_axis and (prompt.is_required() or not folder):
        fields = ["prompt", *fields]
    return f"{folder}{'-'.join(f'{{{name}}}' for name in fields) or kind.job}{kind.suffix}"
