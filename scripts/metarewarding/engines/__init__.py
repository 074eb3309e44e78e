"""Engines that sample from a model (vLLM, transformers), and the store of their completions."""
