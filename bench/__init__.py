"""Measurements beside real peers, in the same run, as ratios of medians."""
