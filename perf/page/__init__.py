"""Sections of the results page: each runs commands that anybody can run, and tabulates their output."""
