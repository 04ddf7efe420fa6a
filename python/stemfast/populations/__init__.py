"""Populations: the particles of many micrographs, classified, counted and reported.

`classify_folder` and `watch_folder` read the files of a folder, and may be interrupted at any time.
`write_report` sums up what they have done, and `prevalence` corrects shares for the mistakes of a
classifier.
"""

from stemfast.populations.prevalence import Prevalence, prevalence
from stemfast.populations.report import Report, write_report
from stemfast.populations.run import classify_folder, watch_folder

__all__ = [
    "Prevalence",
    "Report",
    "classify_folder",
    "prevalence",
    "watch_folder",
    "write_report",
]
