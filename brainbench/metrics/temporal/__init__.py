"""Maps and correlations over time."""
