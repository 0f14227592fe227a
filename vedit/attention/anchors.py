"""Anchors: what the first window of a shot leaves for the others in a step, so that its first frame is theirs too."""

from __future__ import annotations

from torch import Tensor


class Anchors:
    """What layers keep of the first window, by the layer and the run of a network that it is in.

    Several runs can go through the same layers: a ControlNet reads the source's latents and then the edit's. In every
    window they come in the same order, by which they are told apart.
    """

    def __init__(self, first: int = 0) -> None:
        """``first``: the index of the shot's first frame."""
        self._first = first
        self.filling = True
        """Whether the window that runs is the first, of which is kept."""
        self._kept: dict[tuple[int, object], tuple[Tensor, ...]] = {}
        self._run = 0

    def begin_window(self, first: int) -> None:
        """Told before each window, with the index of its first frame; that with the shot's first comes first."""
        self.filling, self._run = first == self._first, 0

    def begin_run(self) -> None:
        """Told before each run of a network."""
        self._run += 1

    def keep(self, layer: object, *tensors: Tensor) -> None:
        """Keep these for the layer; a run that is repeated replaces what it kept."""
        # Copies, since a view would keep all frames in memory.
        self._kept[self._run, layer] = tuple(each.clone() for each in tensors)

    def of(self, layer: object) -> tuple[Tensor, ...]:
        """What the layer has kept in the same run of the first window."""
        return self._kept[self._run, layer]
