"""The page Reconstruct: images of one particle in, the particle out, beside what was measured."""
