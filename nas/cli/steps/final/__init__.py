"""Steps from the winner to the exported files: scaling, final training and export."""
