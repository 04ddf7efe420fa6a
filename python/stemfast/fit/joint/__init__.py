"""Fits of one particle to several images: one shape, a pose and a place in each."""
