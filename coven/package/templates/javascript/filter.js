// Drops TCP to port 23 and forwards everything else.
"use strict";
const { drop, forward, reason } = require("vnfc");

const telnet = reason("telnet", "telnet is not allowed here");

exports.handle = (packet) => (packet.tcp?.dport === 23 ? drop(telnet) : forward());
