"""An edit's metrics in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from vedit.config import EditConfig
from vedit.config.fields import stretch_of
from vedit.quality import is_doubtful

HARDLY = 1.2
"""Times what the VAE alone changes: up to there nothing is to be seen of an edit."""

UNSEEN = 45.0
"""Decibels from which on two pictures are not told apart."""


MORE = "More --guidance, or less --inject, changes more."
GIVEN = "What --first shows is hardly another picture than the clip's own."
"""What is said of an edit that hardly changed anything: from words, and from pictures that are given."""


def sentences(metrics: Mapping[str, float], *, checked: bool = False, given: bool = False) -> list[str]:
    """Sentences on the metrics of an ``EditResult``: how much may change and did, what is kept, what the model can
    show.

    ``checked``: the inversion was checked, and where it was good no reconstruction was measured. ``given``: pictures
    say what is to change.

    They hold for any model: metrics are computed from pixels, and nothing judges what the pixels show.
    """
    return [
        *_changed(metrics, GIVEN if given else MORE),
        *_kept(metrics),
        *_shown(metrics, checked),
        *_seams(metrics),
        *_filled(metrics),
    ]


def of_time(config: EditConfig, rate: Fraction, frames: int) -> list[str]:
    """Sentences on which of a clip's so many ``frames`` were edited, and in which shots."""
    said = []
    if config.only is not None:
        edited = stretch_of(config.only, rate, frames)
        exact = config.output is not None and not config.output.suffix  # a folder of PNGs
        said.append(
            f"Of the clip's {frames} frames {edited.start} to {edited.stop - 1} were edited; the others are its own"
            f"{', to the bit' if exact else ''}."
        )
    if config.shots not in ("auto", "none"):
        cuts = config.shots.split(",")
        said.append(f"The clip has {len(cuts) + 1} shots, cut at {', '.join(cuts)}; each was seen by itself.")
    return said


def _changed(metrics: Mapping[str, float], advice: str) -> list[str]:
    share, inside, alone = (metrics.get(name) for name in ("edited_share", "inside_db", "inside_vae_db"))
    where = "all of the picture" if share is None or share > 0.995 else f"{_percent(share)} of the picture"
    if inside is None or alone is None:
        return [] if share is None else [f"The edit may change {where}."]
    moved, lost = _deviation(inside), _deviation(alone)
    if moved <= HARDLY * lost:
        return [
            f"The edit may change {where}, but hardly did: colours changed by {_percent(moved)} of their range there, "
            f"and the VAE alone changes them by {_percent(lost)}. {advice}"
        ]
    return [f"The edit may change {where}, and changed the colours there by {_percent(moved)} of their range."]


def _kept(metrics: Mapping[str, float]) -> list[str]:
    if "outside_db" not in metrics:
        return []
    kept = metrics["outside_db"]
    if kept >= UNSEEN:
        return ["The rest of the picture is kept as it was."]
    return [f"The rest of the picture is kept: {kept:.1f} dB (the VAE alone: {metrics['outside_vae_db']:.1f} dB)."]


def _shown(metrics: Mapping[str, float], checked: bool) -> list[str]:
    if "vae_db" not in metrics:
        return []
    back = metrics.get("reconstruction_db")
    also = ""
    if back is not None:
        also = f", and {back:.1f} dB come back from the inversion"
    elif "inversion_correction" in metrics and checked:
        also = ", and its inversion is steady"
    elif is_doubtful(1, metrics.get("inversion_correction", 0.0)):
        also = "; how much comes back from its inversion, which was hard, was not looked at (--check-inversion does)"
    return [f"Of the whole clip the model's VAE keeps {metrics['vae_db']:.1f} dB{also}."]


def _seams(metrics: Mapping[str, float]) -> list[str]:
    if "worst_seam" not in metrics:
        return []
    median, worst, drift = (metrics[name] for name in ("median_seam", "worst_seam", "drift"))
    return [
        f"Where windows met, the edit changes {median:.1f} times as much as it mostly does from frame to frame, and "
        f"{worst:.1f} times in the worst place; colours drift by {drift:.2f} dE a second."
    ]


def _filled(metrics: Mapping[str, float]) -> list[str]:
    if "key_frames" not in metrics:
        return []
    return [f"{metrics['key_frames']:.0f} key frames were edited together, and the others filled in between them."]


def _deviation(db: float) -> float:
    """Root of the mean squared difference, as a share of the range, of a peak signal-to-noise ratio."""
    return float(10 ** (-db / 20))


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.095 or share == 0 else f"{share:.1%}"
