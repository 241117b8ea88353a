"""Ways to turn a correct solution's rest into a wrong one that shares its prefix."""

from scdpo.corrupt.mutation.mutate import acorrupt_by_mutation, corrupt_by_mutation, mutation_candidates
from scdpo.corrupt.mutation.search_input import Corruption
from scdpo.corrupt.mutation.syntax import Mutation

__all__ = ["Corruption", "Mutation", "acorrupt_by_mutation", "corrupt_by_mutation", "mutation_candidates"]
