"""Finding particles with the trained network: scales, tiles, star-convex outlines. Loads JAX."""
