"""Reading YAML within bounds: a file of settings, or one value behind an equals sign.

Read within bounds, and without anchors: a few lines of them stand for more than any memory holds.
"""

from __future__ import annotations

from typing import Any

DEEPEST = 20
"""Lists and mappings within each other."""

MOST_NODES = 100_000
"""Values of a document, a weight for each of very many frames among them."""

LARGEST_NUMBER = 10**30


class BoundsError(ValueError):
    """YAML that is not read, and where."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem)
        self.problem, self.problem_mark = problem, mark


def node_of(text: str) -> tuple[Any, Any]:
    """The one document of a text: its node, which knows the lines, and its value. Raises YAMLError or ValueError."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        anchored = isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None
        for broken, what in (
            (depth > DEEPEST, f"more than {DEEPEST} levels within each other"),
            (count > MOST_NODES, f"more than {MOST_NODES:,} values"),
            (anchored, "anchors and aliases (& and *) are not read; write the value out, or in quotes"),
        ):
            if broken:
                raise BoundsError(what, event.start_mark)
    reader = loader(text)
    try:
        node = reader.get_single_node()
        value = None if node is None else reader.construct_document(node)
    finally:
        reader.dispose()
    _check_numbers(value)
    return node, value


def value_of(text: str) -> Any:
    """The value of a short text. Raises ValueError."""
    import yaml

    try:
        return node_of(text)[1]
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a day such as 2020-13-45
        raise ValueError("is not YAML; put quotes around it") from error


def reason(error: Exception) -> tuple[str, int | None]:
    """Why a text could not be read, and in which line, where that is known."""
    mark = getattr(error, "problem_mark", None)
    return str(getattr(error, "problem", None) or error), None if mark is None else mark.line + 1


def _check_numbers(value: Any) -> None:
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise ValueError("a number of very many digits")
    for each in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_numbers(each)
