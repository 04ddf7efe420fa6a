"""The page Data sets and runs: images of a set by label and parameter, training as it goes on."""
