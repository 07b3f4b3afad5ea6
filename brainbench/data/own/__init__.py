"""Recordings and behavior of one's own: read from files or arrays, checked, and kept in the data folder."""
