"""Ways to turn a correct solution's rest into a wrong one that shares its prefix."""

from scdpo.corrupt.case import Corruption
from scdpo.corrupt.mutation import acorrupt_by_mutation, corrupt_by_mutation, mutation_candidates
from scdpo.corrupt.syntax import Mutation

__all__ = ["Corruption", "Mutation", "acorrupt_by_mutation", "corrupt_by_mutation", "mutation_candidates"]
