"""Samples before and after in, a report with error bars out.

`compare` holds the statistics, `reward_card` what a reward model is worth, `verdict` the plain words, `report` the
files. Nothing here trains, samples or knows a task: it is handed plain data and a task's own words.
"""
