"""Networks whose parameters lie on the meta device, without memory, until they are read from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class MetaParameters(TorchFunctionMode):
    """Within the block, parameters that are made lie on the meta device; buffers, which files may lack, are real.

    Only in this thread: accelerate's ``init_empty_weights`` changes ``nn.Module`` itself, and so what another thread is
    making at the time. Layers make their parameters with ``torch.empty`` and fill them afterwards, which costs
    nothing on the meta device; buffers are made of values.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func is torch.empty:
            given["device"] = "meta"
        return func(*args, **given)
