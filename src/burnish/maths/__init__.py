"""Pure functions: no file, no clock, no global generator. Import the module you need; some need torch, some do not."""
