"""The one way into the core: a batch of scenes, acquired as images with their truth."""
