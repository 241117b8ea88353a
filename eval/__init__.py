"""Measure a model: benchmarks, intervals, comparisons and the report page."""
