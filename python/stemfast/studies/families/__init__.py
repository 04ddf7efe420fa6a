"""Trials of families of shapes: confusion, errors of sizes, coverage of error bars."""
