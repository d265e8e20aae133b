"""The steps of a run: each turns configuration into arguments and calls the library."""
