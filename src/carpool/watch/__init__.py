"""Looking on: who is master of what on a network, from its advertisements alone."""
