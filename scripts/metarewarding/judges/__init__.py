"""Requests to a benchmark judge: behind an API, or served on this machine."""
