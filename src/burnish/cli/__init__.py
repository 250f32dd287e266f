"""The command line: turns words into calls. One module a verb, loaded only when that verb is named."""
