"""Families of shapes: faceted and round particles, fitted and compared by their evidence."""
