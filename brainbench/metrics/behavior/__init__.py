"""Agreement of choices: I2n and image-level choices."""
