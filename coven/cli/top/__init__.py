"""`coven top`: the chain as it runs, in a terminal."""
