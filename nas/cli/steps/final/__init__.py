"""Steps from the winner to what ships: scaling, final training, export."""
