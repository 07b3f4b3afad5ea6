"""Ranks of models from their stored scores."""
