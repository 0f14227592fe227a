"""Attention along the flow."""

from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel
from torch import Tensor

from tests.test_flow import moving, uniform
from vedit import registry
from vedit.adapters.loading import load_backbone
from vedit.attention import flow as attention
from vedit.attention.flow import FirstFrameFlow, FlowGuided, along, indices
from vedit.attention.kernels import attend
from vedit.attention.kinds import ATTENTION, SparseCausal
from vedit.backbone import Backbone
from vedit.backbone.control import ControlNet
from vedit.errors import ConfigError
from vedit.flow import Flow, estimate_flow, tracks
from vedit.sampling.denoising import noise

SIZE, CELLS = (48, 64), (6, 8)


@pytest.fixture(scope="module")
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


def tokens(branches: int = 2, frames: int = 4, width: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(branches, frames, CELLS[0] * CELLS[1], width, generator=generator)


def test_each_token_attends_along_its_path_and_nowhere_else() -> None:
    """One by one, with the plain formula, against all at once."""
    x, found = tokens(), tracks(uniform((8.0, -8.0), 4, SIZE), CELLS)
    made = along(x, 2, *indices(found, CELLS))
    for frame, row, column in [(0, 3, 2), (1, 0, 0), (2, 5, 7), (3, 2, 6)]:
        path = []
        for other in range(4):
            there = row - (other - frame), column + (other - frame)
            if 0 <= there[0] < CELLS[0] and 0 <= there[1] < CELLS[1]:
                path.append((other, there[0] * CELLS[1] + there[1]))
        here = row * CELLS[1] + column
        keys = torch.stack([x[:, other, place] for other, place in path], dim=1).unflatten(-1, (2, 4)).transpose(1, 2)
        query = x[:, frame, here].unflatten(-1, (2, 4))[:, :, None]
        expected = attend(query, keys, keys, "math").flatten(1)
        assert torch.allclose(made[:, frame, here], expected, atol=1e-6)


def test_what_is_seen_nowhere_else_stays_as_it_is() -> None:
    x = tokens()
    away = uniform((200.0, 0.0), 4, SIZE)
    assert torch.allclose(along(x, 2, *indices(tracks(away, CELLS), CELLS)), x, atol=1e-6)


def test_pieces_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    x, where = tokens(), indices(tracks(uniform((3.0, 5.0), 4, SIZE), CELLS), CELLS)
    whole = along(x, 2, *where)
    monkeypatch.setattr(attention, "LARGEST_PIECE", 1000)
    assert torch.allclose(along(x, 2, *where), whole, atol=1e-6)


def test_at_every_level_of_the_unet_and_for_its_own_frames() -> None:
    flow = uniform((8.0, 0.0), 4, SIZE)
    kind, x = FlowGuided().following(flow, CELLS), tokens()
    for cells in (CELLS, (3, 4), (2, 2), (1, 1)):
        here = x[:, :, : cells[0] * cells[1]]
        made = kind.after(here, 2)
        assert not torch.allclose(made, here)
        assert torch.equal(made, along(here, 2, *indices(tracks(flow, cells), cells)))
    with pytest.raises(ConfigError, match="6x8 and met 13 positions"):
        kind.after(x[:, :, :13], 2)
    assert torch.equal(kind.after(x[:, :1], 2), x[:, :1])
    assert torch.equal(FlowGuided().after(x, 2), x)
    assert torch.equal(kind.gather(x), SparseCausal().gather(x))
    with pytest.raises(ConfigError, match="flow of 4 frames was asked for 3"):
        kind.after(x[:, :3], 2)


def test_paths_are_followed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, x = FlowGuided().following(uniform((8.0, 0.0), 4, SIZE), CELLS), tokens()
    first = kind.after(x, 2)
    monkeypatch.setattr(attention, "tracks", None)
    assert torch.equal(kind.after(x, 2), first)


def predicted(backbone: Backbone, kind: str, flow: Flow | None, frames: int = 3) -> Tensor:
    size = flow.size if flow is not None else (32, 32)
    x = noise(0, frames, (4, size[0] // backbone.vae_scale_factor, size[1] // backbone.vae_scale_factor))
    with torch.no_grad(), backbone.attending(kind, flow):
        return backbone.predict(x.expand(2, *x.shape), 500, backbone.embed(["red", ""]))


def test_in_a_model_it_joins_the_frames_along_the_flow(backbone: Backbone) -> None:
    moves, away = uniform((6.0, 0.0), 3, (32, 32)), uniform((99.0, 0.0), 3, (32, 32))
    followed, base = predicted(backbone, "flow", moves), predicted(backbone, "sparse_causal", None)
    assert not torch.allclose(followed, base, atol=1e-3)
    # Nothing to be seen along the paths: what is left is the first attention.
    assert torch.allclose(predicted(backbone, "flow", away), base, atol=1e-5)
    assert torch.equal(predicted(backbone, "flow", moves), followed)
    assert torch.equal(predicted(backbone, "sparse_causal", None), base)


def test_one_frame_is_plain_self_attention(backbone: Backbone) -> None:
    alone = estimate_flow(moving((1, 0), frames=1, size=(32, 32)))
    assert torch.equal(predicted(backbone, "flow", alone, 1), predicted(backbone, "per_frame", None, 1))


def test_without_a_flow_it_says_what_to_give(backbone: Backbone) -> None:
    with pytest.raises(ConfigError, match="give its flow"), backbone.attending("flow"):
        pass
    assert backbone.attention == backbone.default_attention
    with backbone.attending("per_frame"):
        pass


def test_a_flow_in_force_holds_within(backbone: Backbone) -> None:
    x, text = torch.randn(1, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0)), backbone.embed(["a cat"])
    seen = []
    for flow in (uniform((6.0, 0.0), 3, (32, 32)), uniform((-6.0, 0.0), 3, (32, 32))):
        with backbone.attending("flow", flow):
            seen.append(backbone.predict(x, 300, text))
            with backbone.attending("sparse_causal"):
                assert backbone.attention == "sparse_causal"
            with backbone.attending("flow"):
                assert torch.equal(backbone.predict(x, 300, text), seen[-1])
    assert not torch.equal(*seen)
    assert backbone.attention == backbone.default_attention


@torch.no_grad()
def test_tracks_end_with_the_window(backbone: Backbone) -> None:
    flow = uniform((6.0, 0.0), 6, (32, 32))
    x, text = torch.randn(1, 6, 4, 4, 4, generator=torch.Generator().manual_seed(0)), backbone.embed(["a cat"])
    with backbone.attending("flow", flow):
        whole = backbone.predict(x, 300, text)
        with backbone.in_window(range(2, 5)):
            seen = backbone.predict(x[:, 2:5], 300, text)
        assert torch.equal(backbone.predict(x, 300, text), whole)
    with backbone.attending("flow", flow.frames(2, 5)):
        assert torch.equal(backbone.predict(x[:, 2:5], 300, text), seen)


def test_only_what_follows_a_flow_asks_for_one() -> None:
    asking = [kind for kind in registry.names("attention") if "flow" in ATTENTION.load(kind).needs]
    assert asking == ["flow", "first_frame_flow"]


def test_a_controlnet_follows_the_flow_too(backbone: Backbone) -> None:
    torch.manual_seed(0)
    made = ControlNetModel.from_unet(
        backbone.unet,
        conditioning_channels=3,
        conditioning_embedding_out_channels=tuple(8 for _ in range(backbone.vae_scale_factor.bit_length())),
    )
    torch.nn.init.normal_(made.controlnet_down_blocks[-1].weight, std=0.05)
    net, x, text = ControlNet(made, backbone), noise(0, 3, (4, 16, 16)), backbone.embed(["red"])
    shown, size = (
        torch.rand(3, 3, 16 * backbone.vae_scale_factor, 16 * backbone.vae_scale_factor),
        (16 * backbone.vae_scale_factor,) * 2,
    )
    ends = []
    for flow in (uniform((float(backbone.vae_scale_factor), 0.0), 3, size), uniform((9999.0, 0.0), 3, size)):
        with backbone.attending("flow", flow):
            ends.append(net(shown, x, 500, text).down[-1])
    with backbone.attending("sparse_causal"):
        ends.append(net(shown, x, 500, text).down[-1])
    assert not torch.allclose(ends[0], ends[2], atol=1e-5)
    assert torch.allclose(ends[1], ends[2], atol=1e-5)


def test_along_to_the_first_frame_a_token_sees_itself_and_where_it_came_from() -> None:
    flow = uniform((8.0, 0.0), 4, SIZE)
    kind, x = FirstFrameFlow().following(flow, CELLS), tokens()
    made = kind.after(x, 2)
    assert torch.equal(made[:, 0], x[:, 0])
    here, there = x[:, 3, 2 * 8 + 5], x[:, 0, 2 * 8 + 2]  # three cells to the right in three frames
    query, keys = here.unflatten(-1, (2, 4))[:, :, None], torch.stack([here, there], 1).unflatten(-1, (2, 4))
    keys = keys.transpose(1, 2)
    assert torch.allclose(made[:, 3, 2 * 8 + 5], attend(query, keys, keys, "math").flatten(1), atol=1e-6)
    assert torch.equal(made[:, 3, 2 * 8], x[:, 3, 2 * 8]), "what has come into view"
