"""Histograms that fall in two."""

import cv2
import numpy as np
import torch

from vedit.otsu import otsu, otsu_bin


def test_otsu_divides_two_heaps() -> None:
    heaps = np.concatenate([np.random.default_rng(0).normal(40, 6, 900), np.random.default_rng(1).normal(120, 9, 100)])
    counts = np.bincount(heaps.astype(int), minlength=200)
    assert 58 < otsu_bin(counts) < 95
    best, _ = cv2.threshold(np.repeat(np.arange(200), counts).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    assert otsu_bin(counts) == best + 1, "OpenCV names the last bin of the lower class"
    assert otsu_bin(np.array([0, 0, 5, 0])) == 0
    assert otsu_bin(np.zeros(4, np.int64)) == 0


def test_otsu_parts_two_heaps() -> None:
    generator = torch.Generator().manual_seed(0)
    few, many = 5 + 0.3 * torch.randn(50, generator=generator), 1 + 0.3 * torch.randn(500, generator=generator)
    assert 2 < otsu(torch.cat([few, many])) < 4.2
    assert otsu(torch.ones(10)) == 1.0
