"""The built-in model (``embedded/``): weights, tokenizer and the log of its training."""
