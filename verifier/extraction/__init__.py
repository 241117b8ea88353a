"""From a solution's text to the answer that it states."""
