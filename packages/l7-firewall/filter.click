// Drops what the analyzer marked: byte 0 of a packet's context is the number of the rule that it met, 0 for none.
// With `observe: true` marked packets are counted (hits.count) and pass.

Settings(observe verdict.switch);

FromDevice(in) -> rule :: ContextSwitch(0);
rule[0] -> pass :: ToDevice(next);
rule[1] -> hits :: Counter -> verdict :: Switch(0);
verdict[0] -> Discard(REASON marked, WHY "the analyzer marked this packet as Skype");
verdict[1] -> pass;
