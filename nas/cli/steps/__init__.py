"""The steps of a run: each turns the configuration into arguments and calls the library."""
