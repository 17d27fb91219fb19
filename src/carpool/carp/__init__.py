"""The protocol: bytes and a clock reading go in, effects come out.

Nothing in this package opens a socket, reads a clock, starts a thread or imports anything
else of carpool, so the daemon, the simulator and the tests run the very same code.

Read `election` first: it is the protocol, as one table. `virtualhost` walks that table for one
vhid; `wire`, `packet`, `auth` and `frames` turn its decisions into bytes and back.

All instants and durations are integer nanoseconds of one monotonic clock. CARP counts in
1/256 s, which is exactly 3,906,250 ns, so no interval is ever rounded.
"""
