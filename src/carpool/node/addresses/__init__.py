"""The virtual addresses on the interface, one module for each way to put them there."""
