"""The page Simulate: a particle and a microscope, and the image that follows them."""
