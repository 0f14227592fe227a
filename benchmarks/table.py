"""Tables with intervals, for all benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table


def interval(values: Sequence[float], level: float = 0.95, draws: int = 2000) -> tuple[float, float, float]:
    """Mean and bootstrap interval of one figure over clips; NaN values (not measured) are left out."""
    numbers = np.asarray([value for value in values if np.isfinite(value)], dtype=float)
    if not len(numbers):
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(0)
    means = numbers[rng.integers(len(numbers), size=(draws, len(numbers)))].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(numbers.mean()), float(low), float(high)


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=170).print(table)


def percent(values: Sequence[float]) -> str:
    """Empty where nothing was measured."""
    mean, low, high = interval(values)
    if np.isnan(mean):
        return ""
    return f"{100 * mean:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def figure(values: Sequence[float], digits: int = 1) -> str:
    """Empty where nothing was measured."""
    mean, low, high = interval(values)
    if np.isnan(mean):
        return ""
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def middle_and_worst(values: Sequence[float]) -> str:
    """Median and least of one figure over clips."""
    return f"{np.median(values):.2f}, {min(values):.2f}"
