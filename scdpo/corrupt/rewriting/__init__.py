"""The text of a solution after a slip: the numbers in it are found, and written again with their new values."""
