"""From flags, files and keyword arguments to one config, with every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from vedit.config import faults, safe_yaml
from vedit.config.faults import cut
from vedit.config.groups import Settings
from vedit.errors import ConfigError

C = TypeVar("C", bound=Settings)


@dataclass(frozen=True)
class Layer:
    """Some settings, and how to name each in a message, with where it was given."""

    values: Mapping[str, Any]
    label: Callable[[str], str] = str


def merge(kind: type[C], *layers: Layer) -> C:
    """Merge layers into one config; later ones win over earlier ones. Raises ConfigError with every fault."""
    values, labels = _joined(layers)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(faults.describe(error, labels, kind)) from None


def merge_or_faults(kind: type[C], *layers: Layer, where: str, unsaid: Collection[str] = ()) -> C | list[str]:
    """As ``merge``, but with the faults one by one; ``where`` and ``unsaid`` as for ``faults.each_of``. There are none
    where all that is wrong is left unsaid."""
    values, labels = _joined(layers)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        return faults.each_of(error, labels, kind, where, unsaid)


def _joined(layers: Iterable[Layer]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings of all layers, and how each is named in a message."""
    values: dict[str, Any] = {}
    labels: dict[str, str] = {}
    for layer in layers:
        for key, value in layer.values.items():
            name = str(key).replace("-", "_")
            values[name] = value
            labels[name] = layer.label(cut(str(key)))
    return values, labels


def assignments(texts: Iterable[str]) -> Layer:
    """Read ``--set key=value``, the values as YAML. Raises ConfigError for one without "=" or that is not YAML."""
    values, wrong = {}, []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            wrong.append(f"--set {cut(text)}: expected key=value, such as steps=20")
            continue
        try:
            values[key.strip()] = safe_yaml.value_of(value)
        except ValueError as error:
            wrong.append(f"--set {cut(text)}: the value {error}")
    if wrong:
        raise ConfigError(faults.in_one_line(wrong))
    return Layer(values, lambda key: f"--set {key}")
