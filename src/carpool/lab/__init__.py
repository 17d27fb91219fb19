"""A LAN in a box: zones as Linux network namespaces, faults, and a client that measures outages.

`namespaces` makes the box (rootless where user namespaces are allowed), `network` the zones and
the LAN segments between them, `faults` breaks things, `probe` measures what a client suffers.
"""
