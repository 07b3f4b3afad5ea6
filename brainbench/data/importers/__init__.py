"""Importers of published files, one module per study or format."""
