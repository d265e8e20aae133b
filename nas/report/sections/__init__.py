"""The sections of the report, each from the files of one step."""
