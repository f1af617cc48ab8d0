"""The functions' parts put together. One module a function, so that none imports what it doesn't need."""
