"""`python -m coven.run` is `coven run` alone."""

import argparse
import sys

from coven.run import command
from coven.run.options import add_arguments

parser = argparse.ArgumentParser(prog="coven run", description=command.__doc__)
add_arguments(parser)
sys.exit(command.main(parser.parse_args()))
