"""What a search has found: the front, the winners, and the files that hold them."""
