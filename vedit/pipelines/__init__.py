"""Pipelines: one for each command, from a config to files."""
