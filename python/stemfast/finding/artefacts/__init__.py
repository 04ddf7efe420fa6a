"""Artefacts: damage of an image, graphics drawn into it, or no image of a sample at all."""
