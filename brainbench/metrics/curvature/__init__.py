"""Curvature of sequences of responses, and its estimate from noisy trials."""
