"""The recipe that made the miniature's weights: one command per stage, each resumable, on CPU or CUDA.

See ``training/README.md`` for the order of the stages.
"""
