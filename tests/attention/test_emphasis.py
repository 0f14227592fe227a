"""Words that count more or less."""

import torch
from diffusers.models.attention_processor import Attention

from vedit.attention.context import StepContext
from vedit.attention.kernels import weights
from vedit.attention.kinds import PerFrame
from vedit.attention.processors import FrameProcessor


def test_a_words_share_of_the_attention_is_multiplied() -> None:
    torch.manual_seed(0)
    layer = Attention(query_dim=16, cross_attention_dim=8, heads=2, dim_head=8)
    frames, words = torch.randn(3, 10, 16), torch.randn(3, 5, 8)
    emphasis = torch.rand(3, 5) * 3
    context = StepContext(PerFrame(), "sdpa", 3, emphasis=emphasis)
    processor = FrameProcessor(context, across_frames=False)
    found = processor(layer, frames, words)

    states = layer.to_q(frames), layer.to_k(words), layer.to_v(words)
    query, key, value = (each.unflatten(-1, (2, 8)).transpose(1, 2) for each in states)
    shares = weights(query, key) * emphasis[:, None, None]
    expected = layer.to_out[0]((shares @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)

    context.emphasis = None
    assert (processor(layer, frames, words) - found).abs().max() > 0.01
