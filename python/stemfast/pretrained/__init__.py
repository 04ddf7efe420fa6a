"""Trained networks: stored, loaded by name, and used with novelty and intervals."""
