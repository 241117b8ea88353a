"""The sandbox and the verifier in other trainers' terms: one small module a trainer, imported only when used.

``trl``: an environment for ``GRPOTrainer(environment_factory=…)``. Other interfaces stand beside it.
"""
