"""The command line: `coven COMMAND ...`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from coven.base.problem import Misuse
from coven.cli.parser import FAILED, INTERRUPTED, USAGE, parser
from itf import limits
from itf.mistakes import Mistake, Refused


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    given = parser(words[:1]).parse_args(words)
    from coven.cli import commands  # not for --help, nor for what is mistyped

    command: Callable[[argparse.Namespace], int] = commands.COMMANDS[given.command]
    try:
        status = command(given)
        sys.stdout.flush()
        return status
    except Refused as refused:
        print(f"coven: {refused}", file=sys.stderr)
        return USAGE if isinstance(refused, Misuse) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has seen enough; python would complain again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (OSError, RuntimeError) as error:
        if not isinstance(error, OSError) and limits.reached(error) is None:
            raise
        print(f"coven: {Mistake.of(error, file=getattr(error, 'filename', None))}", file=sys.stderr)
        return FAILED

