"""brainbench tells how much a neural network is like the primate ventral visual stream."""
