"""Attention across frames: which tokens a frame looks at (kinds), and which kernel computes it (kernels)."""
