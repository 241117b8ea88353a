"""From trees to values: exact, numerical, symbolic."""
