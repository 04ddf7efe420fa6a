"""The cuboid with cut corners as a fit sees it: parameters, thickness, derivatives, symmetry."""
