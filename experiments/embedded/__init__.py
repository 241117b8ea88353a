"""How the built-in model was made: its tokenizer, its demonstrations, its training, its measurement."""
