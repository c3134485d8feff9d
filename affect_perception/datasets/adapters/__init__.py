"""Adapters: the official layout of a data set to a `Listing` of clips; problems become findings with file and line."""
