// Drops TCP to port 23 and forwards everything else.
FromDevice(in) -> port :: IPClassifier(dst tcp port 23, -);

port[0] -> telnet :: Counter -> Discard(REASON telnet, WHY "telnet is not allowed here");
port[1] -> ToDevice(next);
