"""Models small enough to be trained from nothing: `make` writes one, untrained, in Hugging Face layout."""

from burnish.models.small.fresh import KINDS, make

__all__ = ["KINDS", "make"]
