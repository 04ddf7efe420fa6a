"""Finding every particle of a micrograph."""
