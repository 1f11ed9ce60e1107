"""`python -m coven` is the command line."""

import sys

from coven.cli import main

sys.exit(main())
