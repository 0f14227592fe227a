"""Words of a job that its texts speak of: ``prompt: "{subject} in the snow"``, whatever the subject of each clip is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from vedit.batches.written import Written
from vedit.config.faults import cut
from vedit.synonyms import nearest

WORDS = "words"
"""The key, of a job or of a choice, under which they are given."""

PROMPTS = ("prompt", "source_prompt", "negative_prompt")

_FIELD = re.compile(r"\{(\w+)\}")


def filled(layers: Iterable[Written], faults: list[str]) -> tuple[Written, ...]:
    """The layers with their words put into their texts; of several for one name the last. A job that has no words may
    speak of some in its prompts alone by mistake; its other texts stay as they are. What is wrong is added to
    ``faults``."""
    layers = tuple(layers)
    words: dict[str, str] = {}
    for layer in layers:
        given = layer.values.get(WORDS, {})
        if not isinstance(given, Mapping) or any(isinstance(each, (dict, list)) for each in given.values()):
            faults.append(f"{layer.label(WORDS)}: {cut(repr(given))} is no mapping; expected such as 'subject: a cat'")
            continue
        words |= {str(name): str(word) for name, word in given.items()}
    plain = (layer.without(WORDS) for layer in layers)
    if not words:
        for layer in layers:
            said = ((key, layer.values[key]) for key in PROMPTS if isinstance(layer.values.get(key), str))
            faults.extend(
                f"{layer.label(key)}: there is no word {{{cut(name)}}}; the job has no words:"
                for key, text in said
                for name in _FIELD.findall(text)
            )
        return tuple(plain)
    return tuple(replace(layer, values=_texts(layer, words, faults)) for layer in plain)


def _texts(layer: Written, words: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    def put(value: Any, label: str) -> Any:
        if isinstance(value, list):
            return [put(each, label) for each in value]
        if not isinstance(value, str):
            return value
        unknown = [name for name in _FIELD.findall(value) if name not in words]
        faults.extend(f"{label}: there is no word {{{cut(name)}}}; {nearest(cut(name), words)}" for name in unknown)
        return _FIELD.sub(lambda found: words.get(found[1], found[0]), value)

    return {key: put(value, layer.label(key)) for key, value in layer.values.items()}
