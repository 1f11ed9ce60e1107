package coven;

/** A declared reason to drop: {@code drop(reason)}. */
public final class Reason {
    public final String name;
    final Verdict verdict;

    Reason(String name, int id) {
        this.name = name;
        this.verdict = Verdict.drop(id);
    }

    @Override
    public String toString() {
        return "reason " + name;
    }
}
