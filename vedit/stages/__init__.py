"""The steps of every job: what each makes, of what. One small frozen class each; jobs put them together."""
