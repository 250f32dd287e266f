"""Models: load, template, sample, log-probs, heads, adapters, save. Only this room imports transformers and peft."""
