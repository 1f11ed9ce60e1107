"""`python -m coven.lab.demo` is `make demo`."""

import sys

from coven.lab.demo.main import main

sys.exit(main())
