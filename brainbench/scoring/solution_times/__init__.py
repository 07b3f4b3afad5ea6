"""The measure of object solution times."""
