"""Training: the one loop that turns windows of a `Batch` into optimiser steps. Nothing in it is method-specific."""
