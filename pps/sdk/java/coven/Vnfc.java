package coven;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * What a component in Java extends. A whole one:
 *
 * <pre>
 * import coven.*;
 *
 * class Block extends Vnfc {
 *     Reason telnet = reason("telnet", "telnet is not allowed here");
 *     public Verdict handle(Packet p) {
 *         return p.tcp() != null &amp;&amp; p.tcp().dport() == 23 ? drop(telnet) : forward();
 *     }
 * }
 * </pre>
 *
 * Override {@link #handle} or {@link #handleBurst}, and {@link #configure} if there is something to configure.
 * One thread: timers, requests and configuration run between bursts. Times are in seconds.
 */
public abstract class Vnfc {
    /** The configuration in force. */
    public static Config config() {
        return config;
    }

    /** The VNF's ports by name. */
    public static final Map<String, Port> ports = new TreeMap<>();
    /** The names of this VNFC's outputs; their places are the numbers. */
    public static final List<String> outputs = new ArrayList<>();
    /** Plain values (numbers, texts, booleans, lists, maps of them): they survive a crash. */
    public static final Map<String, Object> state = new TreeMap<>();
    /** Repeatable in tests. */
    public static final Random random = new Random();

    static Config config = new Config(Map.of());
    static final Map<Integer, VnfcTimer> timers = new HashMap<>();

    // ---- life: what a component overrides

    /** A verdict for each packet. null is the drop no_verdict. */
    public Verdict handle(Packet packet) throws Exception {
        throw new UnsupportedOperationException("neither handle(Packet) nor handleBurst(Burst)");
    }

    /** Instead of handle: all waiting packets at once. What is not judged is forwarded. */
    public void handleBurst(Burst burst) throws Exception {
        throw new UnsupportedOperationException("neither handle(Packet) nor handleBurst(Burst)");
    }

    /**
     * Once at the start and whenever the configuration changes, between two bursts. An exception
     * (IllegalArgumentException with what is wrong) refuses it, and the old one stays.
     */
    public void configure(Config config) throws Exception {
    }

    /** The VNF ends. */
    public void exit() throws Exception {
    }

    // ---- verdicts

    /** To output 0. */
    public static Verdict forward() {
        return Verdict.FORWARD;
    }

    public static Verdict forward(int output) {
        return Verdict.forward(output);
    }

    public static Verdict forward(String output) {
        return Verdict.forward(output(output));
    }

    /** Out by the port that it came in by. */
    public static Verdict back() {
        return Verdict.BACK;
    }

    public static Verdict drop(Reason reason) {
        return reason.verdict;
    }

    /** The same, saying what led to it, in at most 127 bytes: seen by traces and captures only. */
    public static Verdict drop(Reason reason, String note) {
        return Verdict.noting ? reason.verdict.noted(() -> note) : reason.verdict;
    }

    /** The same; the note is made only for a packet that somebody watches. */
    public static Verdict drop(Reason reason, Supplier<String> note) {
        return reason.verdict.noted(note);
    }

    /** This VNFC was its destination. */
    public static Verdict consume() {
        return Verdict.CONSUME;
    }

    /** Keep the packet until {@link #release}. */
    public static Verdict hold(Packet packet) {
        packet.check();
        return Verdict.HOLD;
    }

    /** End a hold. */
    public static void release(Packet packet, Verdict verdict) {
        packet.release(verdict);
    }

    /** The number of a named output. */
    public static int output(String name) {
        int number = name.equals("back") ? Verdict.OUTPUT_BACK : outputs.indexOf(name);
        if (number < 0) {
            throw new IllegalArgumentException("there is no output '" + name + "': see `outputs:` in vnf.yaml");
        }
        return number;
    }

    // ---- declare: in field initializers or the constructor

    /** A reason to drop. */
    public static Reason reason(String name, String why) {
        return Declare.reason(name, why);
    }

    public static Counter counter(String name, String why, String unit) {
        return new Counter(Declare.metric(Counter.KIND, name, why, unit));
    }

    public static Gauge gauge(String name, String why, String unit) {
        return new Gauge(Declare.metric(Gauge.KIND, name, why, unit));
    }

    public static Histogram histogram(String name, String why, String unit) {
        return new Histogram(Declare.metric(Histogram.KIND, name, why, unit));
    }

    // ---- make

    /** A packet with these bytes, for {@link #emit}. IllegalStateException: no frame is to be had just now. */
    public static Packet newPacket(byte[] bytes) {
        Packet made = Packet.made(Native.make());
        try {
            return made.replace(bytes);
        } catch (IllegalArgumentException tooLong) {
            made.discard();
            throw tooLong;
        }
    }

    /** Send a packet of newPacket or copy to output 0. */
    public static void emit(Packet packet) {
        packet.emit(0, -1);
    }

    public static void emit(Packet packet, int output) {
        packet.emit(output, -1);
    }

    /** As if it had come in by that port. */
    public static void emit(Packet packet, int output, int port) {
        packet.emit(output, port);
    }

    // ---- time, log

    /** Seconds, monotonic, read once a burst; with captures the packets' time. */
    public static double now() {
        return Native.now() / 1e9;
    }

    /** Seconds since 1970. */
    public static double wall() {
        return (Native.now() + Native.wallMinusMonotonic()) / 1e9;
    }

    /** Call it each so many seconds, between bursts. */
    public static VnfcTimer every(double seconds, Runnable run) {
        return timer(seconds, run, true);
    }

    /** Call it once. */
    public static VnfcTimer after(double seconds, Runnable run) {
        return timer(seconds, run, false);
    }

    /** Nothing happens if it has run already. */
    public static void cancel(VnfcTimer timer) {
        if (timers.remove(timer.id, timer)) {
            Native.cancel(timer.id);
        }
    }

    private static VnfcTimer timer(double seconds, Runnable run, boolean repeat) {
        if (!(seconds >= 0 && seconds < 1e9) || (repeat && seconds < 1e-6)) {
            throw new IllegalArgumentException("a timer cannot run in " + seconds + " s");
        }
        long id = Native.timer(seconds, repeat);
        if (id < 0) {
            throw new IllegalStateException("too many timers");
        }
        VnfcTimer timer = new VnfcTimer((int) id, run, repeat);
        timers.put(timer.id, timer);
        return timer;
    }

    /** A line for `coven logs`: 100 a second are kept, the rest is counted. */
    public static void log(Object... parts) {
        StringBuilder line = new StringBuilder();
        for (Object part : parts) {
            line.append(line.length() > 0 ? " " : "").append(part);
        }
        Native.log(line.toString());
    }
}
