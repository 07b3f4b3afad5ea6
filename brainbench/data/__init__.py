"""Data sets: what they are, where they live, how they get here."""
