"""What models are measured on."""
