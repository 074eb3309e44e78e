"""What every program does around its work: logs, errors, progress, downloads, provenance."""
