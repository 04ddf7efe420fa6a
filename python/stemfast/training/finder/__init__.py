"""Training of the network that finds particles, on simulated fields."""
