"""The sandbox and the verifier in other trainers' terms: one small module a trainer, imported only when used.

``trl``: an environment for ``GRPOTrainer(environment_factory=…)``, which most others wrap; ``step_values``: an
advantage a step. ``verl``, ``verifiers`` and ``openenv`` are for training elsewhere, ``inspect``, ``lm_eval`` and
``lighteval`` for evaluations; ``docs/trainers`` has a page for each. ``embedded``: the built-in model as one that calls
tools.
"""
