// Addresses as texts and bytes. RangeError for what is no address.
"use strict";
const net = require("net");

const hex = (byte) => byte.toString(16).padStart(2, "0");

exports.mac = (bytes, at) => Array.from(bytes.subarray(at, at + 6), hex).join(":");

exports.setMac = (bytes, at, text) => {
  if (!/^([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}$/i.test(text)) {
    throw new RangeError(`found '${text}', expected a MAC address`);
  }
  text.split(":").forEach((part, i) => (bytes[at + i] = parseInt(part, 16)));
};

exports.ip4 = (bytes, at) => `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;

exports.setIp4 = (bytes, at, text) => {
  if (!net.isIPv4(text)) throw new RangeError(`found '${text}', expected an IPv4 address`);
  text.split(".").forEach((part, i) => (bytes[at + i] = Number(part)));
};

/** RFC 5952: the longest run of zero words is left out. */
exports.ip6 = (bytes, at) => {
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i));
  let best = -1;
  let most = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && words[i + n] === 0) n++;
    if (n > most) [best, most] = [i, n];
  }
  const text = (part) => part.map((word) => word.toString(16)).join(":");
  return best < 0 ? text(words) : `${text(words.slice(0, best))}::${text(words.slice(best + most))}`;
};

exports.setIp6 = (bytes, at, text) => {
  if (!net.isIPv6(text) || text.includes("%")) throw new RangeError(`found '${text}', expected an IPv6 address`);
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const [head, a, b, c, d] = dotted ? dotted.slice(1) : [text];
  const plain = dotted ? `${head}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}` : text;
  const [left, right] = plain.split("::").map((part) => part.split(":").filter(Boolean));
  const words = right ? [...left, ...Array(8 - left.length - right.length).fill("0"), ...right] : left;
  words.forEach((word, i) => bytes.writeUInt16BE(parseInt(word, 16), at + 2 * i));
};
