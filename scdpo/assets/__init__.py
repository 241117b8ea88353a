"""The built-in model (``embedded/``) and the scripts that make it: `tokenizer`, `train`, `measure`."""
