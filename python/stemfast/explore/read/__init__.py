"""The page Read: particles of a micrograph, found, measured, named and corrected by hand."""
