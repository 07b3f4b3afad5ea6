"""Metrics: arrays in, arrays out. Nothing here knows a file, a model or a benchmark."""
