"""Image files as microscopes write them: formats, calibration, errors."""
