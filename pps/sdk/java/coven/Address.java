package coven;

import java.net.InetAddress;
import java.net.UnknownHostException;

/** Addresses as texts and bytes. IllegalArgumentException for what is no address. */
final class Address {
    private Address() {
    }

    static String mac(byte[] bytes) {
        StringBuilder text = new StringBuilder(17);
        for (byte each : bytes) {
            text.append(text.length() > 0 ? ":" : "").append(Character.forDigit(each >> 4 & 15, 16))
                    .append(Character.forDigit(each & 15, 16));
        }
        return text.toString();
    }

    static byte[] mac(String text) {
        String[] parts = text.split(":", -1);
        byte[] bytes = new byte[6];
        for (int i = 0; i < 6; i++) {
            if (parts.length != 6 || !parts[i].matches("[0-9a-fA-F]{1,2}")) {
                throw new IllegalArgumentException("found '" + text + "', expected a MAC address");
            }
            bytes[i] = (byte) Integer.parseInt(parts[i], 16);
        }
        return bytes;
    }

    static String text(byte[] bytes) {
        return bytes.length == 4
                ? (bytes[0] & 255) + "." + (bytes[1] & 255) + "." + (bytes[2] & 255) + "." + (bytes[3] & 255)
                : ip6Text(bytes);
    }

    /** RFC 5952: the longest run of zero words is left out. */
    private static String ip6Text(byte[] bytes) {
        int best = -1;
        int most = 1;
        for (int i = 0; i < 8; i++) {
            int n = 0;
            while (i + n < 8 && bytes[2 * (i + n)] == 0 && bytes[2 * (i + n) + 1] == 0) {
                n++;
            }
            if (n > most) {
                best = i;
                most = n;
            }
        }
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 8; i++) {
            if (i == best) {
                text.append("::");
                i += most - 1;
                continue;
            }
            boolean first = text.length() == 0 || text.charAt(text.length() - 1) == ':';
            text.append(first ? "" : ":");
            text.append(Integer.toHexString((bytes[2 * i] & 255) << 8 | bytes[2 * i + 1] & 255));
        }
        return text.toString();
    }

    static byte[] ip4(String text) {
        String[] parts = text.split("\\.", -1);
        byte[] bytes = new byte[4];
        for (int i = 0; i < 4; i++) {
            if (parts.length != 4 || !parts[i].matches("[0-9]{1,3}") || Integer.parseInt(parts[i]) > 255) {
                throw new IllegalArgumentException("found '" + text + "', expected an IPv4 address");
            }
            bytes[i] = (byte) Integer.parseInt(parts[i]);
        }
        return bytes;
    }

    static byte[] ip6(String text) {
        try { // a text with a colon is never looked up
            byte[] bytes = text.indexOf(':') >= 0 ? InetAddress.getByName(text).getAddress() : new byte[0];
            if (bytes.length == 16) {
                return bytes;
            }
        } catch (UnknownHostException wrong) {
            // told below
        }
        throw new IllegalArgumentException("found '" + text + "', expected an IPv6 address");
    }
}
