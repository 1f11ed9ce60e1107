"""NSH (RFC 8300): proxy, service function forwarder, classifier's encapsulation and transports, as stages in C.

May include `itf`. Begin with `nshp.h`; the codec itself is `itf/nsh.h`.
"""
