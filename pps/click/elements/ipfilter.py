"""IPClassifier and IPFilter: patterns become C conditions, tried in order."""

from __future__ import annotations

from pps.click.arguments import unquote
from pps.click.elements import Element, Handler, c_string, element, every, text_handler
from pps.click.ippatterns import PatternError, condition, pattern_words
from pps.click.values import raw


def pattern_handlers(patterns: list[str]) -> tuple[Handler, ...]:
    return tuple(
        text_handler(f"pattern{i}", f'\tclick_say(out, "%s", {c_string(pattern)});', f"pattern of output {i}")
        for i, pattern in enumerate(patterns)
    )


class Patterns(Element):
    """What both share: a decision function."""

    ports, processing = "1/-", "h/h"
    headers = True
    includes = ("ippattern.h",)
    state = "uint64_t unmatched;"
    reason = ("no_pattern", "no pattern of the classifier matched")

    def decide(self, decisions: list[tuple[str, str]]) -> None:
        """Pairs of a C condition and what is done then."""
        body = "".join(
            f"\t{'' if test == 'true' else f'if ({test}) '}{{\n\t\t{action}\n\t\treturn;\n\t}}\n"
            for test, action in decisions
        )
        self.push = f"\tPATTERN_BEGIN(p);\n{body}\t$drop(p);"

    def parse(self, index: int, words: list[str]) -> str | None:
        try:
            return condition(words, self.graph.names)
        except PatternError as problem:
            place = self.every_place[index]
            found = f"{self}: pattern {index} '{' '.join(words)}': {problem.found}"
            self.mistakes.add(place, found, problem.expected)
            return None


@element
class IPClassifier(Patterns):
    """A packet goes to the output of the first pattern that it matches, and is dropped if there is none."""

    arguments = (every("PATTERN", raw, 1),)

    def configure(self) -> None:
        patterns = [unquote(text) for text in self.args["PATTERN"]]
        if len(patterns) != self.outputs:
            self.wrong(None, f"{len(patterns)} patterns", f"one for each of its {self.outputs} connected outputs")
        decisions = []
        for i, text in enumerate(patterns):
            if (test := self.parse(i, pattern_words(text))) is not None:
                decisions.append((test, f"$out({i}, p);"))
        self.decide(decisions)
        self.handlers = pattern_handlers(patterns)


@element
class IPFilter(Patterns):
    """`allow`, `drop` (`deny`) or an output's number, each with a pattern; the first that matches decides."""

    arguments = (every("RULE", raw, 0),)
    reason = ("filtered", "an IPFilter rule dropped the packet, or none allowed it")

    def configure(self) -> None:
        rules = [unquote(text) for text in self.args["RULE"]]
        decisions = []
        for i, text in enumerate(rules):
            words = pattern_words(text)
            action = self._action(i, words[0] if words else "", text)
            test = self.parse(i, words[1:] or ["all"])
            if action is not None and test is not None:
                decisions.append((test, action))
        self.decide(decisions)
        self.handlers = (
            text_handler("program", f'\tclick_say(out, "%s", {c_string(chr(10).join(rules))});', "the rules in order"),
            *pattern_handlers(rules),
        )

    def _action(self, index: int, word: str, rule: str) -> str | None:
        if word in ("drop", "deny"):
            where = c_string(f"{self}, rule {index}: {rule}")
            return f"click_drop_at(p, VNFC_DROP({self.reason[0]}), {where});"
        output = 0 if word == "allow" else int(word) if word.isdigit() else None
        if output is not None and output < self.outputs:
            return f"$out({output}, p);"
        found = f"{self}: rule {index}: '{word}'"
        expected = f"allow, drop, deny or an output from 0 to {self.outputs - 1}"
        self.mistakes.add(self.every_place[index], found, expected)
        return None
