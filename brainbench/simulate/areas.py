"""Areas, time bins and pictures of the hidden network of a simulated brain, known without torch."""

REGIONS = ("V1", "V2", "V4", "IT")
SHAPES = {"V1": (24, 14, 14), "V2": (128, 7, 7), "V4": (128, 5, 5), "IT": (256, 3, 3)}
"""Channels, rows and columns of each area."""
POPULATION = 96  # spatially pooled units of each area
BIN_MS = 10.0
BINS = 25
ON_MS = 100.0
LATENCY_MS = {"V1": 40.0, "V2": 50.0, "V4": 70.0, "IT": 90.0}
"""Start of the first bin in which an area responds."""
PICTURE = 224
