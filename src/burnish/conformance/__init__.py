"""Checks any method must pass, as functions: our tests, `burnish doctor` and third parties call the same ones."""
