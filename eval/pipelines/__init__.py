"""Whole jobs from sampling to report: the quickstart, and on-policy rounds."""
