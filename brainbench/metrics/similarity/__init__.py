"""Similarity of representations: RDMs, RSA, CKA."""
