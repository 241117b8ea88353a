"""Experiments that train models and are repeated over seeds; ``docs/replication.md`` tells what came out."""
