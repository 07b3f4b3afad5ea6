"""Runs: names to models and benchmarks, what there is to do, its cost, doing it, the self-test."""
