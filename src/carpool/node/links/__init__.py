"""Frames in and out, one module for each way to send and receive them."""
