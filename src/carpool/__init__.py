"""carpool keeps an IP address alive: CARP in user space, and everything around it."""

__version__ = "0.1.0"
