"""Worker processes with a hard deadline."""
