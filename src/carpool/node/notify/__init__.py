"""Telling people and programs what happens to groups: when, how often, and by which child."""
