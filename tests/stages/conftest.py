"""The song and the models of the jobs' tests."""

from tests.jobs.conftest import backbone, hearing_model, song

__all__ = ["backbone", "hearing_model", "song"]
