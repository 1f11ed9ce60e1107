"""`python -m coven.run` is `coven run` alone."""

import argparse
import sys

from coven.run import foreground

parser = argparse.ArgumentParser(prog="coven run", description=foreground.__doc__)
foreground.add_arguments(parser)
sys.exit(foreground.main(parser.parse_args()))
