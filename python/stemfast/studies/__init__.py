"""Studies of the product: baselines, curves, ceilings and trials of fits. Only `cli` knows them."""
