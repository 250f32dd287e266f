"""Append only: a step that was released is never edited."""
