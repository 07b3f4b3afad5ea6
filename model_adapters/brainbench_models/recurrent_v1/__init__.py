"""Recurrent V1 models fitted to neural data, and their multi-path analysis (Zhang et al. 2020)."""
