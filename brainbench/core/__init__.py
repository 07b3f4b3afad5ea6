"""Contracts that every room shares: assemblies, stimuli, models, data sets, benchmarks, scores, errors."""
