"""What to do with a GPU that can be had for a quarter of an hour: each script is one command with a time limit."""
