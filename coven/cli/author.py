"""The commands of whoever writes a package: `new` and `check`. Exit status as everywhere."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

Arguments = argparse.Namespace


def new(given: Arguments) -> int:
    from coven.package.scaffold import new as make

    folder = Path(given.name)
    files = make(folder, given.language)
    print("\n".join(map(str, files)))
    print(f"\nnext:\n  coven test {folder}\n  {os.environ.get('EDITOR') or 'nano'} {files[0]}")
    return 0


def check(given: Arguments) -> int:
    from coven.base.terminal import progress
    from coven.cases.check import check as look
    from coven.cases.check import show

    result = look(Path(given.package), progress)
    if given.json:
        facts = {
            "ok": not result.mistakes,
            "descriptors": result.descriptors,
            "errors": [mistake.as_dict() for mistake in result.mistakes],
            "warnings": [warning.as_dict() for warning in result.warnings],
            "notes": result.notes,
        }
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        print(show(result), file=sys.stderr if result.mistakes else sys.stdout)
    return 1 if result.mistakes else 0
