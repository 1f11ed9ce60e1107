package coven;

import java.io.File;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarFile;

/**
 * The host of one component: {@code coven.Host --library libcoven-java.so --artifact X.jar --name NAME
 * --fds POOL,HOP,BELL,CONTROL}. The static methods are called by the library (pps/java/host.c); no exception
 * leaves them.
 */
final class Host {
    private static String artifact;
    private static Vnfc component;
    private static boolean bursts;
    private static final Burst burst = new Burst();
    private static Packet packet = new Packet();
    private static boolean saidNoVerdict;
    private static String keptState = "";
    private static boolean saidState;

    private Host() {
    }

    public static void main(String[] arguments) {
        String fds = null;
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            switch (arguments[i]) {
                case "--library":
                    System.load(arguments[i + 1]);
                    break;
                case "--artifact":
                    artifact = arguments[i + 1];
                    break;
                case "--fds":
                    fds = arguments[i + 1];
                    break;
                default: // the name is for whoever looks at the process list
            }
        }
        if (artifact == null || fds == null) {
            System.err.println("usage: coven.Host --library LIB --artifact JAR --name NAME --fds FDS");
            System.exit(2);
        }
        System.setOut(new PrintStream(System.out, true));
        Native.listen();
        Thread component = Thread.currentThread();
        Thread beside = new Thread(() -> Mistakes.tellWhere(component), "where it is");
        beside.setDaemon(true);
        beside.start();
        int status = Native.run(fds);
        System.out.flush();
        Runtime.getRuntime().halt(status); // the VNF is over: nothing of the author's may delay it
    }

    // ---- life

    static int load(String config, String ports, String outputs, long seed, byte[] kept) {
        try {
            Vnfc.config = new Config(Json.parseMap(config));
            for (Map.Entry<String, Object> each : Json.parseMap(ports).entrySet()) {
                Config port = new Config(Json.parseMap(Json.write(each.getValue())));
                Vnfc.ports.put(each.getKey(), new Port(each.getKey(), (int) port.integer("number"),
                        port.has("mac") ? port.text("mac") : null, port.has("mtu") ? (int) port.integer("mtu") : 1500));
            }
            Object names = Json.parse(outputs);
            for (Object name : names instanceof List ? (List<?>) names : List.of("next")) {
                Vnfc.outputs.add(String.valueOf(name));
            }
            Vnfc.random.setSeed(seed);
            if (kept.length > 0) {
                keptState = new String(kept, StandardCharsets.UTF_8);
                Vnfc.state.putAll(Json.parseMap(keptState));
            }
            component = make();
            bursts = overrides("handleBurst", Burst.class);
            if (bursts == overrides("handle", Packet.class)) {
                String found = bursts ? "both handle and handleBurst" : "neither handle nor handleBurst";
                Native.error(Mistakes.fileOf(component.getClass()), 0, null, found,
                        "public Verdict handle(Packet p) or public void handleBurst(Burst b)", "define one of them");
                return -1;
            }
            Declare.requests(component.getClass());
        } catch (Declare.Refused noted) {
            return -1;
        } catch (Throwable wrong) {
            Mistakes.tell(wrong, null, "mend the line; `coven logs` has the stack");
            return -1;
        }
        return decide();
    }

    private static boolean overrides(String name, Class<?> argument) throws NoSuchMethodException {
        return component.getClass().getMethod(name, argument).getDeclaringClass() != Vnfc.class;
    }

    private static Vnfc make() throws Throwable {
        Attributes attributes;
        try (JarFile jar = new JarFile(artifact)) {
            attributes = jar.getManifest().getMainAttributes();
        }
        Mistakes.sources = Arrays.asList(attributes.getValue(Build.SOURCES).split(File.pathSeparator));
        URL[] urls = {new File(artifact).toURI().toURL()};
        ClassLoader loader = new URLClassLoader("component", urls, Host.class.getClassLoader());
        try {
            Class<?> kind = Class.forName(attributes.getValue(Build.COMPONENT), true, loader);
            Constructor<?> constructor = kind.getDeclaredConstructor();
            constructor.setAccessible(true);
            return (Vnfc) constructor.newInstance();
        } catch (InvocationTargetException thrown) {
            throw thrown.getCause();
        } catch (ExceptionInInitializerError thrown) {
            throw thrown.getCause() == null ? thrown : thrown.getCause();
        }
    }

    /** Let the component look at Vnfc.config. */
    private static int decide() {
        try {
            component.configure(Vnfc.config);
            return 0;
        } catch (Throwable wrong) {
            Mistakes.tell(wrong, "config", "change the configuration");
            return -1;
        }
    }

    static int configure(String config) {
        Config old = Vnfc.config;
        Vnfc.config = new Config(Json.parseMap(config));
        if (decide() < 0) {
            Vnfc.config = old;
            return -1;
        }
        return 0;
    }

    static String[] request(String name, String given) {
        try {
            return Declare.answer(component, name, given);
        } catch (Throwable wrong) {
            return new String[] {"0", name + ": " + Mistakes.describe(wrong)};
        }
    }

    static void leave() {
        try {
            component.exit();
        } catch (Throwable wrong) {
            Mistakes.report(wrong);
        }
        System.out.flush();
    }

    static void timer(int id) {
        try {
            VnfcTimer due = Vnfc.timers.get(id);
            if (due == null) {
                return;
            }
            if (!due.repeat) {
                Vnfc.timers.remove(id);
            }
            due.run.run();
        } catch (Throwable wrong) {
            Mistakes.report(wrong);
        }
    }

    /** The state as JSON if it changed since it was saved last and fits. */
    static byte[] save(int limit) {
        String problem;
        try {
            if (Vnfc.state.isEmpty() && keptState.isEmpty()) {
                return null;
            }
            String now = Json.write(Vnfc.state);
            byte[] bytes = now.getBytes(StandardCharsets.UTF_8);
            if (bytes.length <= limit) {
                saidState = false;
                boolean same = now.equals(keptState);
                keptState = now;
                return same ? null : bytes;
            }
            problem = "state takes " + bytes.length + " bytes, more than the " + limit + " that survive a restart";
        } catch (RuntimeException wrong) {
            problem = "state holds more than numbers, texts, booleans, lists and maps";
        }
        if (!saidState) {
            saidState = true;
            Native.log(problem + ": what was saved before stays");
        }
        return null;
    }

    // ---- packets

    static void burst(int n) {
        if (bursts) {
            together(n);
        } else {
            oneByOne(n);
        }
    }

    private static void oneByOne(int n) {
        int next = Math.min(n, Native.give());
        for (int i = 0; i < n; i++) {
            Packet p = packet;
            int verdict = one(p, Native.batch.getInt(4 * i));
            Native.batch.putInt(Native.VERDICTS_AT + 4 * i, verdict);
            Native.batch.putInt(Native.JUDGED_AT, i + 1);
            if (verdict == Verdict.HOLD.value) {
                packet = new Packet(); // that one is the author's
                next = i + 1 + Native.give();
                p.heldOrGone();
            } else if (i + 1 >= next) {
                next = i + 1 + Native.give();
            }
        }
        packet.frame = -1;
        Verdict.noting = true; // of what is held
    }

    private static int one(Packet p, int frame) {
        p.point(frame);
        Verdict.noting = p.watched();
        Verdict verdict;
        try {
            verdict = component.handle(p);
        } catch (Throwable wrong) {
            Mistakes.report(wrong);
            p.settle();
            return EXCEPTION;
        }
        p.settle();
        if (verdict == null) {
            noVerdict();
            return 0;
        }
        if (Verdict.noting) {
            verdict.leaveNote(frame);
        }
        return verdict.value;
    }

    private static final int EXCEPTION = 2 | 7 << 16; // HOST_DROP(HOST_EXCEPTION)

    private static void noVerdict() {
        if (!saidNoVerdict) {
            saidNoVerdict = true;
            Native.log(Mistakes.fileOf(component.getClass()) + ": handle returned null: some way through it ends "
                    + "without `return forward()` or another verdict; such packets are dropped as no_verdict (told "
                    + "once)");
        }
    }

    private static void together(int n) {
        burst.begin(n);
        try {
            component.handleBurst(burst);
        } catch (Throwable wrong) {
            Mistakes.report(wrong);
            Arrays.fill(burst.verdicts, 0, n, new Verdict(EXCEPTION));
        }
        burst.end();
    }
}
