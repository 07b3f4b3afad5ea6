"""Roads from assemblies to a Score, one file per measure."""
