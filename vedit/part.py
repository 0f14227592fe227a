"""Part: one member of a family of what can be plugged in; and Family: how one of its kinds is made.

Which kinds there are says the registry, which imports no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar, cast

from vedit import registry
from vedit.config import Settings
from vedit.config.merge import Layer, merge
from vedit.errors import PartError

Need = Literal["clip", "flow", "sound"]
"""What a part may be unable to do without: a clip's frames, their optical flow, something to listen to."""


class Part:
    """Base of every annotator, attention kind, conditioner and prior. Made with its options."""

    Options: ClassVar[type[Settings]] = Settings
    """What can be chosen: pydantic settings, usually a class of that name inside the part's. Each has a default."""

    needs: ClassVar[frozenset[Need]] = frozenset()
    """What a job has to have for it."""

    options: Settings

    def __init__(self, options: Settings | None = None) -> None:
        self.options = options or self.Options()


P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Family(Generic[P]):
    """The parts of one kind of work, under the name that the registry has for them: ``Family[Prior]("priors")``."""

    name: str

    def load(self, kind: str) -> type[P]:
        """The class of one part.

        Raises:
            PartError: for an unknown kind, with the nearest name, and for a plug-in that cannot be imported or is none
        """
        found = registry.load(self.name, kind)
        if not (isinstance(found, type) and issubclass(found, Part)):
            where = registry.names(self.name)[kind]
            raise PartError(f"the plug-in '{kind}' ({where}) of {self.name} is no part; derive it from vedit.part.Part")
        return cast(type[P], found)

    def make(self, kind: str, options: Mapping[str, Any] | None = None) -> P:
        """One part with its options; None are its defaults.

        Raises:
            PartError: as ``load``
            ConfigError: for options that it does not have, and values out of range
        """
        part = self.load(kind)
        if options is None:
            return part()
        return part(merge(part.Options, Layer(options, lambda name: f"{kind}: {name}")))
