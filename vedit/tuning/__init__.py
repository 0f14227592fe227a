"""Teaching a model one clip, or a subject from a few pictures."""
