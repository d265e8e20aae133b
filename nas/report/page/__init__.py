"""Self-contained pages: templates, scripts and charts, with no address outside the file."""
