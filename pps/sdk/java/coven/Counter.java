package coven;

/** A figure that grows. */
public final class Counter {
    static final int KIND = 1; // enum hop_metric
    private final int number;

    Counter(int number) {
        this.number = number;
    }

    public void add() {
        Native.measure(number, 1);
    }

    public void add(long n) {
        Native.measure(number, n);
    }

    public long value() {
        return (long) Native.measured(number);
    }
}
