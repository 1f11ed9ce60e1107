package coven;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What an author is told of an exception: where it is, what was found. */
final class Mistakes {
    private static final int PLACES = 64; // whose stack is shown once in full
    private static final Map<String, Integer> seen = new HashMap<>();
    static List<String> sources = List.of(); // from the package's folder

    private Mistakes() {
    }

    /** The path that the author knows, of a stack trace's file name. */
    static String file(String name) {
        for (String source : sources) {
            if (name != null && (source.equals(name) || source.endsWith("/" + name))) {
                return source;
            }
        }
        return name;
    }

    static String fileOf(Class<?> component) {
        return sources.isEmpty() ? component.getSimpleName() + ".java" : sources.get(0);
    }

    /** The innermost line of the author's. */
    static StackTraceElement place(Throwable error) {
        for (StackTraceElement frame : error.getStackTrace()) {
            if ("component".equals(frame.getClassLoaderName())) {
                return frame;
            }
        }
        return null;
    }

    static String describe(Throwable error) {
        String text = error.getMessage();
        return error.getClass().getSimpleName() + (text == null ? "" : ": " + text);
    }

    /** The author's frames, a line each. */
    private static List<String> frames(StackTraceElement[] stack) {
        List<String> lines = new ArrayList<>();
        for (StackTraceElement frame : stack) {
            if ("component".equals(frame.getClassLoaderName()) && lines.size() < 20) {
                lines.add("    at " + file(frame.getFileName()) + ":" + frame.getLineNumber() + " in "
                        + frame.getMethodName());
            }
        }
        return lines;
    }

    /** In a thread of its own: when the keeper asks, write where the component's thread is, and end. */
    static void tellWhere(Thread component) {
        Native.await();
        System.err.println("Stack (most recent call first):");
        frames(component.getStackTrace()).forEach(System.err::println);
        System.err.flush();
        Native.told();
    }

    private static void lines(Throwable error) {
        Native.log(describe(error));
        frames(error.getStackTrace()).forEach(Native::log);
        if (error.getCause() != null && error.getCause() != error) {
            Native.log("because of " + describe(error.getCause()));
        }
    }

    /** An exception that cost a packet: its stack the first time, a line for the 10th, 100th... */
    static void report(Throwable error) {
        StackTraceElement at = place(error);
        String key = error.getClass().getName() + at;
        if (seen.size() < PLACES || seen.containsKey(key)) {
            int count = seen.merge(key, 1, Integer::sum);
            if (count == 1) {
                lines(error);
            } else if (String.valueOf(count).matches("10+")) {
                Native.log((at == null ? "" : file(at.getFileName()) + ":" + at.getLineNumber() + ": ")
                        + describe(error) + " (" + count + " times so far)");
            }
        }
        Native.exception();
    }

    /** An exception while the component was loaded or configured: to the user. */
    static void tell(Throwable error, String field, String remedy) {
        StackTraceElement at = place(error);
        boolean refusal = error instanceof IllegalArgumentException && field != null;
        if (!refusal) {
            lines(error);
        }
        String file = at == null ? (sources.isEmpty() ? null : sources.get(0)) : file(at.getFileName());
        String found = refusal && error.getMessage() != null ? error.getMessage() : describe(error);
        Native.error(file, at == null ? 0 : at.getLineNumber(), field, found, null, remedy);
    }
}
