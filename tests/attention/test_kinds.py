"""Which tokens each frame sees."""

from __future__ import annotations

import torch

from vedit.attention.kinds import Ends


def test_between_two_frames_each_sees_both_and_itself() -> None:
    tokens = torch.randn(2, 4, 6, 8, generator=torch.Generator().manual_seed(0))
    seen = Ends().gather(tokens)
    assert seen.shape == (2, 4, 18, 8)
    for frame in range(4):
        assert torch.equal(seen[:, frame], torch.cat([tokens[:, 0], tokens[:, frame], tokens[:, 3]], dim=1))
    assert torch.equal(Ends().gather(tokens[:, :1]), tokens[:, :1])
