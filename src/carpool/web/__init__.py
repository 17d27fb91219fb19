"""A page that shows a cluster as its nodes see it, and where they see it differently."""
