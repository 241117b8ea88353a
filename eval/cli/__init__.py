"""The verbs that measure, a module each; ``scdpo.cli`` names them in its table."""
