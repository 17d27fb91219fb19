"""What a child process of the daemon does to tell somebody: a mail, a webhook, a Nagios result.

It gets one job on its standard input, tries it once, and says in one line how that went. It knows
nothing of the daemon, so that whatever happens here cannot hold that up.
"""
