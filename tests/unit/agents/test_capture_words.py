"""What authors wrote steers no terminal: what coven-capture makes of it, and what Python does, is the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

from itf.printable import one_line, printable

ROOT = Path(__file__).resolve().parents[3]
DRIVER = r"""
#include <stdio.h>
#include <string.h>
#include "agents/capture/words.h"
int main(void)
{
	char line[4096], said[1024] = "", short_of_room[8] = "ab: ";
	size_t len = fread(line, 1, sizeof line, stdin);
	words_append(said, sizeof said, line, len);
	words_append(short_of_room, sizeof short_of_room, "x\xf0\x9f\x98\x80", 5);
	printf("%s\n%s", said, short_of_room);
	return 0;
}
"""
WRITTEN = 'rule 7\tof\n\x1b[31m"red" \x9b2J \u202eabc\u2066 \x7f\x00\xad\ufeff Grüße \U0001f600 €'


def test_words(tmp_path: Path) -> None:
    program = tmp_path / "words"
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", f"-I{ROOT}"]
    subprocess.run(["cc", *flags, "-x", "c", "-", ROOT / "agents" / "capture" / "words.c", "-o", program], check=True,
                   input=DRIVER.encode())  # fmt: skip
    broken = b"|\xc3|\xe2\x82|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xff|\xe2\x82"
    done = subprocess.run([program], input=WRITTEN.encode() + broken, capture_output=True, check=True)
    said, short = done.stdout.decode().split("\n")
    assert said == one_line(WRITTEN) + "|?|??|??|???|????|?|??"
    assert short == "ab: x", "no piece of a character that has no room"


def test_lines_may_be_kept() -> None:
    assert one_line(WRITTEN) == 'rule 7 of ?[31m"red" ?2J ?abc? ???? Grüße \U0001f600 €'
    assert printable("a\tb\nc\x1b", "\n\t") == "a\tb\nc?"
