"""`python -m coven.keeper --directory DIR`: the process that holds one running VNF."""

import sys

from coven.keeper.main import main

sys.exit(main())
