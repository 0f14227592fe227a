"""One attend over several kernels."""

import pytest
import torch

from vedit.attention import kernels
from vedit.errors import DeviceError

CPU = torch.device("cpu")


def heads(batch: int = 2, length: int = 33) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn((batch, 4, length, 40), generator=generator) for _ in range(3))


def test_kernels_agree() -> None:
    query, key, value = heads()
    torch.testing.assert_close(kernels.attend(query, key, value, "sdpa"), kernels.attend(query, key, value, "math"))


def test_long_batches_are_cut_and_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = heads(batch=7)
    whole = kernels.attend(query, key, value)
    sizes = []
    real = kernels._sdpa
    monkeypatch.setattr(kernels, "LARGEST_GRID", 9)
    monkeypatch.setattr(kernels, "_sdpa", lambda q, k, v: sizes.append(len(q)) or real(q, k, v))
    torch.testing.assert_close(kernels.attend(query, key, value), whole)
    assert max(sizes) * 4 <= 9
    assert sum(sizes) == 7


def test_a_check_that_sees_a_wrong_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.disagreement("sdpa", CPU, torch.float32) < 1e-5
    monkeypatch.setattr(kernels, "_sdpa", lambda q, k, v: v[..., : q.shape[-2], :])
    assert kernels.disagreement("sdpa", CPU, torch.float32) > kernels.AGREEMENT


def test_choosing() -> None:
    assert kernels.choose_kernel("auto", CPU, torch.float32) == "sdpa"
    assert kernels.choose_kernel("math", CPU, torch.float32) == "math"
    with pytest.raises(DeviceError, match="CUDA"):
        kernels.choose_kernel("xformers", CPU, torch.float32)
    with pytest.raises(DeviceError, match="expected auto"):
        kernels.choose_kernel("flash", CPU, torch.float32)
