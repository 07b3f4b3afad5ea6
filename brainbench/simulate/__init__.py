"""Brains whose truth is known."""
