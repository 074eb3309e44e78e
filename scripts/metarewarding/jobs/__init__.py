"""What every program needs around its work: logs, errors, progress, downloads, provenance."""
