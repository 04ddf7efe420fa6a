"""One experiment, one file, one command: ``stemfast train NAME``."""
