"""The score of ``arithmetic.yaml``."""

from scdpo.environments.lm_eval import verified

process_results = verified("answer")
