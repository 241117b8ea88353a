"""Study B, what people use: preference pairs and reinforcement learning from one policy, at equal sampled tokens.

``rounds``: arms that sample, make data and train, round by round; ``online``: GRPO, and GRPO with an advantage a step;
``study``: seeds, tuning, tests, and what is kept.
"""
