"""Results of a search: the front, the winners, and their files."""
