"""Drops UDP to port 7, written to the convention of the COVEN prototype: receive packets on one TCP
connection, send on what shall go on by another."""

import socket

UDP, ECHO, IP4 = b"\x11", b"\x00\x07", b"\x08\x00"


def passes(data):
    if data[12:14] != IP4 or data[23:24] != UDP:  # slices: a packet may end anywhere
        return True
    at = 14 + (data[14] & 15) * 4
    return data[at + 2 : at + 4] != ECHO


server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("localhost", 8010))
server.listen(1)
packets, _ = server.accept()
onward = socket.socket()
onward.connect(("localhost", 8011))
while data := packets.recv(1514):
    if passes(data):
        onward.send(data)
