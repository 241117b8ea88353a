"""Fine-tuning and preference training, what a training will cost, and the credit that it leaves."""
