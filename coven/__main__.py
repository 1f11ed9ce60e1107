"""`python -m coven` is the command line."""

import sys

from coven.cli.main import main

sys.exit(main())
