"""Measures that map features to responses: predictivity and explainable variance."""
