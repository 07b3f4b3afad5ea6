"""Measure of curvature: do a layer and a brain bend the same films."""
