"""What one process holds while it works on jobs: models, loaded when they are first needed, and what is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from vedit.adapters import Attachable
from vedit.backbone.model import Backbone
from vedit.backbone.outline import Outline
from vedit.config import ModelSettings
from vedit.errors import DeviceError
from vedit.flow import Flow
from vedit.progress import Progress
from vedit.shots import Shots
from vedit.windows import Windows

if TYPE_CHECKING:
    from vedit.adapters.loading import ModelSpec
    from vedit.graph.unfinished import Unfinished


@dataclass(frozen=True)
class Model:
    """A model as results depend on it.

    Attributes:
        weights: names what it is, adapters included (``Outline.state``)
        device: "cpu", "cuda" ...
        dtype: "float32" ...
        kernel: of attention
        outline: what is known of it without its weights
        spec: how it is loaded; None for one that a session was given
        adapter: a tuning to put on it, if any
    """

    weights: str
    device: str
    dtype: str
    kernel: str
    outline: Outline = field(compare=False, repr=False)
    spec: ModelSpec | None = field(default=None, compare=False)
    adapter: Attachable | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, outline: Outline, spec: ModelSpec | None = None, adapter: Attachable | None = None) -> Model:
        """A model of this outline, which tells of the ``adapter`` too."""
        dtype = str(outline.dtype).removeprefix("torch.")
        return cls(outline.state, outline.device.type, dtype, outline.kernel, outline, spec, adapter)


@dataclass
class Session:
    """The models in hand, and what stages report to.

    One model that was loaded stays so until another is needed, so that jobs with the same one do not load it again.

    Args:
        progress: what is told of each step; None for nothing
        fetches: whether weights that are not on this machine are fetched when a model is opened
    """

    progress: Progress | None = None
    fetches: bool = True
    unfinished: Unfinished | None = None
    """Where the stage that is being made saves what it has made so far, if it ``resumes`` and is kept."""
    _given: dict[Model, Backbone] = field(default_factory=dict)
    _loaded: tuple[ModelSpec, Backbone] | None = None

    def open(self, settings: ModelSettings, backbone: Backbone | None = None) -> Model:
        """The model that settings name, or a ``backbone`` that is loaded already, with the settings' adapter. No
        weights are read.

        Raises WeightsError and DeviceError for what shows to be wrong without them.
        """
        from vedit.adapters.loading import ModelSpec  # with diffusers, which takes seconds to import
        from vedit.adapters.tuned import Adapter

        adapter = None if settings.adapter is None else Adapter.load(settings.adapter)
        if backbone is not None:
            there = adapter is not None and adapter.digest() == backbone.tuned.digest
            return self.hold(backbone, None if there else adapter)
        spec = ModelSpec(
            settings.model, settings.device, settings.dtype, settings.kernel, settings.motion_adapter, settings.lora
        )
        outline = spec.outline(weights=self.fetches)
        return Model.of(outline if adapter is None else adapter.outlined(outline), spec, adapter)

    def hold(self, backbone: Backbone, adapter: Attachable | None = None) -> Model:
        """Take a model in hand, as it is now, and say how stages name it with an ``adapter`` on it, if any."""
        outline = backbone.outline()
        model = Model.of(outline if adapter is None else adapter.outlined(outline), None, adapter)
        self._given[model] = backbone
        return model

    def plain(self, model: Model) -> Backbone:
        """A model for what no frames and no adapters matter to: its VAE, its words, its schedule.

        Raises WeightsError and DeviceError where it has to be loaded and cannot be.
        """
        if model.spec is None:
            return self._given[model]
        if self._loaded is None or self._loaded[0] != model.spec:
            self._loaded = None  # before the next one takes memory
            self._loaded = model.spec, model.spec.load()
        return self._loaded[1]

    @contextmanager
    def working(
        self,
        model: Model,
        attention: str,
        *,
        adapter: Attachable | None = None,
        flow: Flow | None = None,
        windows: Windows | None = None,
        shots: Shots | None = None,
    ) -> Iterator[Backbone]:
        """Within the block, which one thread enters at a time, the model attends by this kind (which may follow the
        clip's flow), in ``windows`` if there are any and each of its ``shots`` by itself, with its own adapter and a
        further one on it; afterwards it is as it was. Too little memory is a DeviceError."""
        backbone = self.plain(model)
        with ExitStack() as stack:
            stack.enter_context(within_memory())
            for each in (model.adapter, adapter):
                if each is not None:
                    stack.enter_context(each.on(backbone))
            stack.enter_context(backbone.attending(attention, flow, windows, shots))
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
