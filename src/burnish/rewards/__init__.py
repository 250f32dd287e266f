"""Rewards: one file per source of reward. Many (prompt, completion) in, as many `Score`s out; trains nothing."""
