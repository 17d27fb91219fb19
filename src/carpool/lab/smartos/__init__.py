"""Hypervisors in a box: SmartOS global zones, and what `vmadm create` makes on them.

A global zone is a zone of the lab with a file system of its own, an OpenSSH server, and stand-ins
for SmartOS's commands that keep state. `lab` is where to begin. What is real and what stands in
is told in docs/lab-smartos.md.
"""
