"""Populations: the particles of many micrographs, classified, counted and reported.

`prevalence` corrects shares for the mistakes of a classifier.
"""

from stemfast.populations.prevalence import Prevalence, prevalence

__all__ = ["Prevalence", "prevalence"]
