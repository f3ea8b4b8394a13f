"""Heads adapted to a group: the changes that its payload carries, and the fit that finds them."""
