"""Trials of answers on simulated particles whose truth is known."""
