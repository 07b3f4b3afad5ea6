"""Measures that compare representations: RSA and CKA."""
