"""From an answer as written to its tree."""
