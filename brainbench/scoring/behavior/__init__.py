"""Measures that compare choices: I2n and choices among categories."""
