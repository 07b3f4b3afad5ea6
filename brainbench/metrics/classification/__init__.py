"""Logistic regression on the features of a layer."""
