package coven;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Parameter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What a component declares, with its place in the source; agent requests and their arguments. */
final class Declare {
    /** A declaration was refused; the host has noted why. */
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        Refused(String what) {
            super(what, null, false, false);
        }
    }

    private static final Map<Class<?>, String> KINDS = Map.of(int.class, "int", long.class, "int",
            double.class, "float", boolean.class, "bool", String.class, "str");
    private static final Map<String, Method> requests = new TreeMap<>();

    private Declare() {
    }

    private static StackWalker.StackFrame caller() {
        return StackWalker.getInstance().walk(frames -> frames
                .filter(frame -> !frame.getClassName().startsWith("coven.")).findFirst().orElse(null));
    }

    private static String file(StackWalker.StackFrame frame) {
        return frame == null ? null : Mistakes.file(frame.getFileName());
    }

    static Reason reason(String name, String why) {
        StackWalker.StackFrame frame = caller();
        int id = Native.reason(name, why, file(frame), frame == null ? 0 : frame.getLineNumber());
        if (id < 0) {
            throw new Refused(name);
        }
        return new Reason(name, id);
    }

    static int metric(int kind, String name, String why, String unit) {
        StackWalker.StackFrame frame = caller();
        int number = Native.metric(kind, name, why, unit, file(frame), frame == null ? 0 : frame.getLineNumber());
        if (number < 0) {
            throw new Refused(name);
        }
        return number;
    }

    // ---- agent requests

    /** All methods with @Request. IllegalArgumentException for an argument that cannot be. */
    static void requests(Class<?> component) {
        Method[] methods = component.getDeclaredMethods();
        Arrays.sort(methods, (a, b) -> a.getName().compareTo(b.getName()));
        for (Method method : methods) {
            Request request = method.getAnnotation(Request.class);
            boolean health = method.isAnnotationPresent(Health.class);
            if (request == null && !health) {
                continue;
            }
            String name = health ? "health" : request.name().isEmpty() ? method.getName() : request.name();
            String why = health ? Health.WHY : request.why();
            String unit = health ? "" : request.unit();
            boolean changes = !health && request.changes();
            List<Object> arguments = new ArrayList<>();
            for (Parameter parameter : method.getParameters()) {
                arguments.add(argument(name, parameter));
            }
            method.setAccessible(true);
            requests.put(name, method);
            String file = Mistakes.fileOf(component);
            if (Native.request(name, why, unit, Json.write(arguments), changes, file, 0) < 0) {
                throw new Refused(name);
            }
        }
    }

    private static Map<String, Object> argument(String request, Parameter parameter) {
        String kind = KINDS.get(parameter.getType());
        if (kind == null) {
            throw new IllegalArgumentException("request " + request + ": argument " + parameter.getName() + " is a "
                    + parameter.getType().getSimpleName() + ": expected int, long, double, boolean or String");
        }
        Map<String, Object> argument = new LinkedHashMap<>();
        argument.put("name", parameter.getName());
        argument.put("type", kind);
        Default fallback = parameter.getAnnotation(Default.class);
        if (fallback != null) {
            argument.put("default", convert(parameter, fallback.value()));
        }
        return argument;
    }

    private static Object convert(Parameter parameter, Object value) {
        Class<?> type = parameter.getType();
        String text = String.valueOf(value);
        try {
            if (type == String.class) {
                return text;
            }
            if (type == boolean.class && text.matches("(?i)true|false|0|1")) {
                return text.equalsIgnoreCase("true") || text.equals("1");
            }
            if (type == double.class && !(value instanceof Boolean)) {
                return Double.valueOf(text);
            }
            if (type == long.class || type == int.class) {
                long whole = value instanceof Double && (Double) value == Math.rint((Double) value)
                        ? ((Double) value).longValue() : Long.decode(text);
                return type == long.class ? (Object) whole : (Object) Math.toIntExact(whole);
            }
        } catch (ArithmeticException | NumberFormatException wrong) {
            // told below
        }
        throw new IllegalArgumentException("argument " + parameter.getName() + ": found " + text + ", expected "
                + KINDS.get(type));
    }

    /** {"1", the answer as JSON} or {"0", what was wrong}. */
    static String[] answer(Object component, String name, String given) {
        Method method = requests.get(name);
        if (method == null) {
            return new String[] {"0", "there is no request " + name};
        }
        try {
            return new String[] {"1", Json.write(method.invoke(component, bind(method, Json.parse(given))))};
        } catch (InvocationTargetException thrown) {
            return new String[] {"0", name + ": " + Mistakes.describe(thrown.getCause())};
        } catch (IllegalAccessException | RuntimeException | StackOverflowError wrong) {
            return new String[] {"0", name + ": " + wrong.getMessage()};
        }
    }

    private static Object[] bind(Method method, Object given) {
        Parameter[] parameters = method.getParameters();
        List<String> names = new ArrayList<>();
        for (Parameter parameter : parameters) {
            names.add(parameter.getName());
        }
        List<?> listed = given instanceof List ? (List<?>) given : List.of();
        Map<?, ?> named = given instanceof Map ? (Map<?, ?>) given : Map.of();
        for (Object key : named.keySet()) {
            if (!names.contains(key)) {
                throw new IllegalArgumentException("no argument " + key + ", expected " + names);
            }
        }
        if (listed.size() > parameters.length) {
            throw new IllegalArgumentException("found " + listed.size() + " arguments, expected " + names);
        }
        Object[] values = new Object[parameters.length];
        for (int i = 0; i < values.length; i++) {
            Default fallback = parameters[i].getAnnotation(Default.class);
            Object value = i < listed.size() ? listed.get(i)
                    : named.containsKey(names.get(i)) ? named.get(names.get(i))
                    : fallback != null ? fallback.value() : null;
            if (value == null) {
                throw new IllegalArgumentException("argument " + names.get(i) + " is missing, expected " + names);
            }
            values[i] = convert(parameters[i], value);
        }
        return values;
    }
}
