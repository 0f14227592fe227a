"""The errors that a user can cause and mend.

::

    VeditError
    ├── ConfigError     a setting, flag or file of settings: every fault at once, with its place
    ├── PartError       an unknown kind of part (the nearest name is shown), or a plug-in that failed to load
    ├── MediaError      a clip, picture or sound that cannot be read or written
    ├── WeightsError    a model, adapter or LoRA that is missing, damaged or does not fit
    └── DeviceError     a device, number format or kernel that this machine does not have, or too little memory

Each message is one line: what was given, what was expected, what to do. The command prints it and exits with 2.
What was given may be long, or hold what a terminal obeys: ``one_line`` cuts the one and escapes the other.
Libraries' own errors are translated at three borders only: the clip, the loading of weights, and the kernels.
"""

from __future__ import annotations

LONGEST = 390
"""Characters of a message, so that its line ends within 400."""

_TAIL = 130
"""Of them, those kept of the end, where it says what to do."""


def one_line(message: str) -> str:
    """A message in one line of at most ``LONGEST`` characters, cut in the middle; what a terminal obeys is escaped."""
    text = " ".join(message.split())
    text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - _TAIL - 5]} ... {text[-_TAIL:]}"


def first_line(error: object) -> str:
    """The first line of what a library's error says; its kind where it says nothing."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()


class VeditError(Exception):
    """Base of all errors that a user can cause and mend."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ConfigError(VeditError):
    """A setting that cannot be."""


class PartError(VeditError):
    """A part that is unknown, or a plug-in that failed."""


class MediaError(VeditError):
    """A clip, picture or sound that cannot be read or written."""


class WeightsError(VeditError):
    """Weights that are missing, damaged or do not fit."""


class DeviceError(VeditError):
    """What this machine cannot do."""


class VeditWarning(UserWarning):
    """Something that will run, but perhaps not as the user means it."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class VeditHint(VeditWarning):
    """What was asked for and changes nothing, or less than it could."""
