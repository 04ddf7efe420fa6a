"""Training on the corners of particles, besides their classes."""
