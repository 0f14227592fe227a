"""How an adapter is put on a backbone and taken off again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vedit.backbone.model import Backbone
from vedit.backbone.outline import Outline

Undo = Callable[[], None]
"""Takes off what was put on; the backbone is then what it was, to the bit."""


class Attachable(ABC):
    """Something that changes a backbone."""

    @abstractmethod
    def put_on(self, backbone: Backbone) -> Undo:
        """Change ``backbone``; it is as it was where this raises. Raises WeightsError where it does not fit."""

    def outlined(self, outline: Outline) -> Outline:
        """What a model of this outline is with it on. Raises WeightsError where it does not belong to it."""
        raise NotImplementedError

    def apply(self, backbone: Backbone) -> None:
        """Put it on for good. Raises WeightsError where it does not fit."""
        with backbone.lock:
            self.put_on(backbone)

    @contextmanager
    def on(self, backbone: Backbone) -> Iterator[None]:
        """Within the block, which one thread enters at a time, ``backbone`` is changed; afterwards as it was, to the
        bit. Raises WeightsError where it does not fit."""
        with backbone.lock:
            undo = self.put_on(backbone)
            try:
                yield
            finally:
                undo()


@contextmanager
def undone_on_error(undo: Undo) -> Iterator[None]:
    """What the block has done so far is undone where it raises, memory or patience having run out."""
    try:
        yield
    except BaseException:
        undo()
        raise


def replace_parameters(module: nn.Module, tensors: Mapping[str, Tensor]) -> Undo:
    """Give parameters of ``module``, by their names, new values; the old ones are kept aside as they are.

    A value takes the device and the dtype of the parameter that it replaces.
    """
    before: list[tuple[nn.Module, str, nn.Parameter]] = []

    def undo() -> None:
        for owner, last, own in before:
            setattr(owner, last, own)

    with undone_on_error(undo):
        for name, tensor in tensors.items():
            path, _, last = name.rpartition(".")
            owner = module.get_submodule(path)
            own = owner.get_parameter(last)
            before.append((owner, last, own))
            # A copy even where nothing is to be converted: what is put on must not change with the adapter's tensor.
            value = torch.empty_like(own).copy_(tensor)
            setattr(owner, last, nn.Parameter(value, requires_grad=own.requires_grad))
    return undo
