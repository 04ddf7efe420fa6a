"""Training of the network that names the shapes of found particles, on simulated fields."""
