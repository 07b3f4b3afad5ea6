"""Signal power and CC_norm."""
