"""The attention kind that is in force, and the flow of the clip that it follows."""

from __future__ import annotations

from collections.abc import Sequence

from vedit.attention.kinds import ATTENTION, AttentionKind
from vedit.errors import ConfigError
from vedit.flow import Flow
from vedit.mapped import let_go


class KindInForce:
    """Kinds by their names, each made once, and brought to the clip's flow where they follow one.

    Attributes:
        name: of the kind that was asked for; None leaves it to the model's own
        flow: of the clip, all of it; None where it is not known
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.flow: Flow | None = None
        self._kinds: dict[str, AttentionKind] = {}
        self._following: tuple[str, Flow, Sequence[int] | None, AttentionKind] | None = None
        """The last kind that followed a flow, with its paths: they are the same in every step."""

    def kind(self, name: str, vae_scale_factor: int, indices: Sequence[int] | None = None) -> AttentionKind:
        """The kind of this name, for the clip's frames with these ``indices``; None is all of them.

        Raises PartError for an unknown one, and ConfigError for one that lacks its flow, or follows it through frames
        that are not side by side.
        """
        kind = self._kinds.get(name) or self._kinds.setdefault(name, ATTENTION.make(name))
        if "flow" not in kind.needs:
            return kind
        if self.flow is None:
            raise ConfigError(
                f"the attention kind {name} follows the motion of the clip: give its flow, "
                f"attending('{name}', flow=vedit.flow.estimate_flow(frames))."
            )
        if indices is not None and not isinstance(indices, range):
            raise ConfigError(f"the attention kind {name} follows the motion from frame to frame, and these are apart.")
        held = self._following
        if held is None or held[:3] != (name, self.flow, indices):
            cells = self.flow.size[0] // vae_scale_factor, self.flow.size[1] // vae_scale_factor
            flow = self.flow if indices is None else self.flow.frames(indices.start, indices.stop)
            self._following = held = (name, self.flow, indices, kind.following(flow, cells))
            let_go(flow.forward, flow.backward, flow.hidden, flow.appeared)
        return held[3]
