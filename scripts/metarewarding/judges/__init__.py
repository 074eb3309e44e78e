"""How a benchmark judge is asked: behind an API, or served on this machine."""
