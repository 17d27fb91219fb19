"""From a cluster file to running zones on many hypervisors, over SSH.

`targets` says what every node shall be, `observe` what it is, `plan` what is to be done about the
difference: three rooms of pure functions. `ssh`, `lock`, `execute` and `rollout` do it. A global
zone has no Python: what runs there is POSIX sh, vmadm, imgadm, nictagadm and zlogin.
"""
