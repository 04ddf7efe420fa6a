"""Batches of labelled images simulated ahead of the training step that takes them."""
