"""An interruption after which the same command goes on."""


class InterruptedWorkError(Exception):
    """An interruption that left a file to go on from, and its path: typer makes a mere 130 of a KeyboardInterrupt."""
