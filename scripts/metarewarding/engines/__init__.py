"""How a model is asked: vLLM, transformers, and the store of what they have drawn."""
