"""Sample solutions from a model: the sampler, its temperatures, and the engines that run the model."""
