"""``python -m carpool`` is the ``carpool`` command."""

import sys

from carpool.cli import main

sys.exit(main())
