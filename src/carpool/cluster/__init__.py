"""What the user writes: the cluster file, its model, and everything that can be wrong in it."""
