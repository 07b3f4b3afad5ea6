"""The measure of neural dynamics."""
