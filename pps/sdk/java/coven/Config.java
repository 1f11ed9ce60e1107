package coven;

import java.util.List;
import java.util.Map;

/** The configuration. Keys and types are those of `config:` in the descriptor. Dots look into maps. */
public final class Config {
    private final Map<String, Object> values;

    Config(Map<String, Object> values) {
        this.values = values;
    }

    /** The value; IllegalArgumentException if there is no such key. */
    public Object get(String key) {
        Object at = values;
        for (String part : key.split("\\.")) {
            at = at instanceof Map ? ((Map<?, ?>) at).get(part) : null;
        }
        if (at == null) {
            throw new IllegalArgumentException("config has no '" + key + "': give it under `config:` in vnf.yaml");
        }
        return at;
    }

    public boolean has(String key) {
        try {
            return get(key) != null;
        } catch (IllegalArgumentException absent) {
            return false;
        }
    }

    public long integer(String key) {
        return of(Number.class, key, "a whole number").longValue();
    }

    public double number(String key) {
        return of(Number.class, key, "a number").doubleValue();
    }

    public boolean bool(String key) {
        return of(Boolean.class, key, "true or false");
    }

    public String text(String key) {
        return of(String.class, key, "a text");
    }

    public List<?> list(String key) {
        return of(List.class, key, "a list");
    }

    /** A list of whole numbers. */
    public long[] integers(String key) {
        return list(key).stream().mapToLong(each -> ((Number) each).longValue()).toArray();
    }

    public Map<String, Object> all() {
        return values;
    }

    private <T> T of(Class<T> kind, String key, String expected) {
        Object value = get(key);
        if (!kind.isInstance(value)) {
            throw new IllegalArgumentException("config." + key + ": found " + value + ", expected " + expected);
        }
        return kind.cast(value);
    }
}
