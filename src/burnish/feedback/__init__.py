"""What people say, in whatever form: kinds of feedback, files in and out, and from many answers to signals.

`kinds/` is one file per kind. `intake` and `outgoing` read and write JSONL; `signals` turns many people's answers into
probabilities and variances; `overview` counts and measures agreement. Nothing here needs torch.
"""
