"""Bodies and solids behind the particles: clipping, containment, meshes, placement."""
