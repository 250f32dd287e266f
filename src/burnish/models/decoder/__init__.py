"""Our own decoder over a Hugging Face model's weights: one description, one arithmetic, to sample and to train."""
