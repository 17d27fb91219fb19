"""The cluster on a virtual LAN in virtual time: the daemon's own protocol core, faults on order."""
