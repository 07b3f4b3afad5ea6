"""The cache of computed files and the results folder."""
