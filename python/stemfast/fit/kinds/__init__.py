"""Fits of tetrahedra, cuboids and ellipsoids, compared by their evidence."""
