"""What of an image is no sample: damage, graphics drawn into it, or the whole of it."""
