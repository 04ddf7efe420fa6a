"""Figures of merit of classifiers: accuracy with intervals, calibration, confusion matrices."""
