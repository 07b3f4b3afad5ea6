"""Fitting of networks: the loop, its schedules and checkpoints, and what is fitted to recordings."""
