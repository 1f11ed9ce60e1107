"""Script: reads and writes handlers, waits, jumps."""

from __future__ import annotations

from pps.click.arguments import unquote, words
from pps.click.elements import Element, c_string, element, every, flag, text_handler, write
from pps.click.mistakes import Place
from pps.click.values import nanoseconds, raw

TYPES = ("ACTIVE", "PASSIVE", "DRIVER")
OPS = {
    "set": "SET", "init": "INIT", "read": "READ", "readq": "READ", "write": "WRITE", "writeq": "WRITE",
    "print": "PRINT", "printn": "PRINT", "printq": "PRINT", "printnq": "PRINT",
    "goto": "GOTO", "wait": "WAIT", "wait_time": "WAIT", "wait_for": "WAIT",
    "loop": "LOOP", "return": "RETURN", "end": "END", "exit": "END", "stop": "END", "pause": "PAUSE",
    "label": "LABEL",
}  # fmt: skip
NAMED = ("SET", "INIT", "READ", "WRITE")


@element
class Script(Element):
    """Runs instructions: at start, or when `run` is written (TYPE PASSIVE)."""

    ports = "0/0"
    includes = ("script.h",)
    arguments = (every("INSTRUCTION", raw, 0),)
    state = "struct click_script script;"
    handlers = (
        write("run", "\tscript_start(&$s.script);", "run the script from its begin"),
        flag("running", "$s.script.running", "whether it runs"),
        text_handler(
            "get",
            """
	struct click_variable *v = script_variable(&$s.script, value, strlen(value), false);
	click_say(out, "%s", v ? v->value : "");""",
            "the value of a variable",
            parameter=True,
        ),
        text_handler("result", '\tclick_say(out, "%s", $s.script.result);', "what it returned"),
    )

    def configure(self) -> None:
        texts = list(zip(self.args["INSTRUCTION"], self.every_place, strict=True))
        kind = "ACTIVE"
        if texts and (first := words(texts[0][0])) and first[0].upper() in ("TYPE", *TYPES):
            kind = first[-1].upper()
            texts.pop(0)
            if kind not in TYPES:
                self.wrong(None, f"TYPE {kind}", " or ".join(TYPES))
        parsed = [(words(text), place) for text, place in texts]
        # what is labelled so here comes before what the names mean by themselves
        labels = {"begin": 0, "loop": 0, "end": len(parsed), "exit": len(parsed), "stop": len(parsed)}
        for i, (w, _) in reversed(list(enumerate(parsed))):
            if len(w) == 2 and w[0] == "label":
                labels[w[1]] = i  # of two, the first
        rows = []
        for parts, place in parsed:
            op = OPS.get(parts[0]) if parts else None
            if op is None:
                found = f"{self}: instruction '{' '.join(parts)}'"
                self.mistakes.add(place, found, "one of " + ", ".join(OPS))
                continue
            name, target, rest = "", 0, parts[1:]
            if op in NAMED or op == "GOTO":
                if not rest:
                    self.mistakes.add(place, f"{self}: {parts[0]} alone", f"{parts[0]} NAME ...")
                    continue
                name, rest = rest[0], rest[1:]
            if op == "GOTO":
                target = labels.get(name, -1)
                if target < 0:
                    self.mistakes.add(place, f"{self}: goto {name}", f"a label: {', '.join(labels)}")
            text = (
                ""
                if op == "LABEL"
                else " ".join(unquote(part) if "$" not in part else part.strip('"') for part in rest)
            )
            if op == "PRINT":
                op, name, text = self._printed(text, rest, place)
            if op == "WAIT":
                text = self._seconds(text)
            rows.append(f"\t{{ SCRIPT_{op}, {target}, {c_string(name)}, {c_string(text)} }},")
        self.data = (
            "static const struct click_step $steps[] = {\n"
            + "\n".join([*rows, '\t{ SCRIPT_END, 0, "", "" },'])
            + "\n};"
        )
        self.init = f"""
		$s.script.steps = $steps;
		$s.script.steps_n = {len(rows) + 1};
		$s.script.element = {c_string(self.name)};"""
        if kind != "PASSIVE":
            self.init += """
		$s.script.running = true;
		click_timer_at(&$s.script.timer, 0, script_run, &$s.script);"""

    def _printed(self, text: str, parts: list[str], place: Place) -> tuple[str, str, str]:
        """What `print` prints: a handler's value, where a letter begins it, else text. `>-` is where all goes."""
        if parts and parts[0].startswith(">"):
            into = parts[0].lstrip(">") or "".join(parts[1:2])
            if into != "-":
                self.mistakes.add(place, f"{self}: print into {into or 'no file'}", "print: it goes to the log")
            used = 1 if parts[0].lstrip(">") else 2
            parts, text = parts[used:], text.split(None, used)[used] if len(parts) > used else ""
        if parts and (parts[0][0].isalpha() or parts[0][0] in "@_"):
            handler, *value = text.split(None, 1)
            return "SHOW", handler, value[0] if value else ""
        return "PRINT", "", text

    def _seconds(self, text: str) -> str:
        """A wait with a unit becomes seconds; one with variables is a number of seconds."""
        try:
            return str(nanoseconds("s")(text, self.graph.names) / 1e9)
        except ValueError:
            return text
