"""Models: load, template, sample, log-probs, heads, adapters, save. The only room that imports transformers and peft."""
