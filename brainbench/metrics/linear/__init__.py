"""Linear maps from features to responses: PLS, ridge, least squares, single units."""
