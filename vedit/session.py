"""What one process holds while it works on jobs: models that stay loaded, where results are kept, what is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch

from vedit.adapters import Attachable
from vedit.backbone.model import Backbone
from vedit.errors import DeviceError
from vedit.flow import Flow
from vedit.progress import Progress


@dataclass(frozen=True)
class Model:
    """A model as results depend on it.

    Attributes:
        weights: the fingerprint of what it is, adapters included
        device: "cpu", "cuda" ...
        dtype: "float32" ...
        kernel: of attention
    """

    weights: str
    device: str
    dtype: str
    kernel: str

    @classmethod
    def of(cls, backbone: Backbone) -> Model:
        dtype = str(backbone.dtype).removeprefix("torch.")
        return cls(backbone.state_fingerprint(), backbone.device.type, dtype, backbone.kernel)


@dataclass
class Session:
    """The models in hand, and what stages report to.

    Args:
        progress: what is told of each step; None for nothing
    """

    progress: Progress | None = None
    _models: dict[Model, Backbone] = field(default_factory=dict)

    def hold(self, backbone: Backbone) -> Model:
        """Take a model in hand, as it is now, and say how stages name it."""
        model = Model.of(backbone)
        self._models[model] = backbone
        return model

    def plain(self, model: Model) -> Backbone:
        """A model for what no frames and no adapters matter to: its VAE, its words, its schedule."""
        return self._models[model]

    @contextmanager
    def working(
        self, model: Model, attention: str, *, adapter: Attachable | None = None, flow: Flow | None = None
    ) -> Iterator[Backbone]:
        """Within the block, which one thread enters at a time, the model attends by this kind (which may follow the
        clip's flow), with an adapter on it; afterwards it is as it was. Too little memory is a DeviceError."""
        backbone = self._models[model]
        with ExitStack() as stack:
            stack.enter_context(within_memory())
            if adapter is not None:
                stack.enter_context(adapter.on(backbone))
            stack.enter_context(backbone.attending(attention, flow))
            yield backbone


@contextmanager
def within_memory() -> Iterator[None]:
    """Within the block, too little memory is a DeviceError that says what to do."""
    advice = "the memory does not suffice; take fewer --frames or a smaller --size, or on CUDA --dtype float16."
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise DeviceError(advice) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error):  # torch's allocator on the CPU has no class of its own
            raise DeviceError(advice) from error
        raise
