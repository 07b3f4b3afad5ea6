"""Splits, ceilings, resampling: the statistics that every metric shares."""
