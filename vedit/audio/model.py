"""The features of a sound, one value for each video frame, and when its onsets and beats are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vedit.atomic import whole_file
from vedit.errors import ConfigError, MediaError
from vedit.timeline import FEATURES, Moments

VERSION = 1
"""Of the JSON file's layout."""


@dataclass(frozen=True, eq=False)
class AudioFeatures:
    """The features of a sound for F video frames. Frame i covers the seconds from i / rate to (i + 1) / rate.

    rate: video frames per second, exact
    features: by name (`FEATURES`), each (F,) float32 in [0, 1], 0 where there is silence:
        "loudness": of all that sounds; "bass" (20 to 250 Hz), "mid" (to 4 kHz), "treble" (above);
        "percussive": of what is struck (drums, attacks), without what is held;
        "onset": 1 in each frame in which an onset falls, else 0;
        "beat": 1 in each frame in which a beat falls, from there evenly down to 0 at the next;
        "centroid": the brightness, from the sound's darkest (0) to its brightest (1);
        "chroma_c", "chroma_cs" to "chroma_b": the pitch classes C, C sharp ... B, the strongest of a frame being 1
    beats, onsets: float64, ascending, in seconds from the beginning of frame 0. They are those of the whole sound, so
        some lie before 0 or after the last frame if only a part of it is taken
    tempo: beats per minute, 0 where there are no beats
    note: what the user may want to know of the tempo (that half of it is about as likely), or ""
    """

    rate: Fraction
    features: Mapping[str, NDArray[np.float32]]
    beats: NDArray[np.float64]
    onsets: NDArray[np.float64]
    tempo: float
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", MappingProxyType(dict(self.features)))
        shapes = {curve.shape for curve in self.features.values()}
        if set(self.features) != set(FEATURES) or len(shapes) != 1 or len(shapes.pop()) != 1:
            raise ValueError(f"expected {', '.join(FEATURES)}, all of one length (F,)")
        if (self.tempo > 0) != (len(self.beats) > 0):
            raise ValueError(f"{len(self.beats)} beats and a tempo of {self.tempo:g} do not go together")

    def __len__(self) -> int:
        return len(self.features["loudness"])

    def __repr__(self) -> str:
        shown = f"{len(self)} frames, {float(self.rate):g} fps, {self.tempo:.4g} BPM, {len(self.beats)} beats"
        return f"AudioFeatures({shown})"

    @property
    def own_beats(self) -> NDArray[np.float64]:
        """The beats that fall within the frames."""
        return self.beats[(self.beats >= 0) & (self.beats < float(len(self) / self.rate))]

    @property
    def beat_positions(self) -> NDArray[np.float64]:
        """Where each frame begins, counted in beats: (F,), rising; 0 is the first beat of these frames.

        Between beats it rises evenly; before the first and after the last as the tempo says. A beat up to half a frame
        before frame 0 still counts as its own. Raises ConfigError where there are no beats.
        """
        if not len(self.beats):
            raise ConfigError("the sound has no beats to count by; give its --bpm, or use seconds")
        period = 60.0 / self.tempo
        times = np.arange(len(self)) * float(1 / self.rate)
        numbers = np.arange(len(self.beats), dtype=np.float64)
        positions = np.interp(times, self.beats, numbers)
        positions += np.minimum(times - self.beats[0], 0.0) / period
        positions += np.maximum(times - self.beats[-1], 0.0) / period
        return positions - np.searchsorted(self.beats, -0.5 * float(1 / self.rate))

    def moments(self) -> Moments:
        """These frames, as timelines are asked for them."""
        curves = {name: curve.tolist() for name, curve in self.features.items()}
        return Moments(len(self), self.rate, curves, self.beat_positions.tolist() if len(self.beats) else None)

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write it all as JSON. Raises MediaError as Clip.save does.

        Keys: "version" (1), "rate" (frames per second, "30000/1001"), "frames" (F), "tempo" (BPM), "note",
        "beats" and "onsets" (seconds from frame 0), and "features" (name: F numbers in [0, 1]).
        """
        if path.suffix.lower() != ".json":
            raise MediaError(f"{path}: features are written as .json; name the file so")
        content = {
            "version": VERSION,
            "rate": str(self.rate),
            "frames": len(self),
            "tempo": round(self.tempo, 3),
            "note": self.note,
            "beats": self.beats.round(4).tolist(),
            "onsets": self.onsets.round(4).tolist(),
            "features": {name: curve.astype(np.float64).round(4).tolist() for name, curve in self.features.items()},
        }
        with whole_file(path, overwrite) as beside:
            beside.write_text(json.dumps(content), encoding="utf-8")
