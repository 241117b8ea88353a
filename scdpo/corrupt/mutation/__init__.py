"""Slips in the code of a right solution: where they can be made, tried one by one, carried to a wrong answer."""
