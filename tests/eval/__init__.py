"""Tests of the package ``eval``."""
