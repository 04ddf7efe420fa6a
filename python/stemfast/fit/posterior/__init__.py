"""Evidence and error bars of fits whose posterior is not normal around one maximum."""
