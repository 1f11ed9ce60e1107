// The least that a VNFC can do: every packet leaves by the other port, untouched.
"use strict";
const { forward } = require("vnfc");

exports.handle = () => forward();
