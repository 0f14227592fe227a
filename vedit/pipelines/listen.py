"""What is heard in a sound, for Python."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from vedit.audio import Heard
from vedit.config import InspectSoundConfig
from vedit.config.merge import Layer, merge
from vedit.config.options import ListenOptions
from vedit.pipelines import inspect_audio
from vedit.pipelines.arguments import job


@job(InspectSoundConfig, "audio")
def listen(audio: str | Path, **settings: Unpack[ListenOptions]) -> Heard:
    """What is heard in a sound, frame by frame: loudness and its kin, onsets, beats and the tempo.

    Nothing is written unless ``output`` (a picture) or ``save_data`` is given.

    Args:
        audio: a sound file or a video
        settings: the fields of InspectSoundConfig

    Raises:
        TypeError: for arguments of another kind
        ConfigError: for the settings
        MediaError: for a sound that cannot be read, and what cannot be written
    """
    return inspect_audio.heard(merge(InspectSoundConfig, Layer({**settings, "audio": audio}))).heard
