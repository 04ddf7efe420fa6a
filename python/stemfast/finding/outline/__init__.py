"""The outline of a particle: its contour, its sides where they truly are, its measures."""
