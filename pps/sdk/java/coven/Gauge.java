package coven;

/** A figure that goes up and down. */
public final class Gauge {
    static final int KIND = 2; // enum hop_metric
    private final int number;

    Gauge(int number) {
        this.number = number;
    }

    public void set(double value) {
        Native.measure(number, value);
    }

    public double value() {
        return Native.measured(number);
    }
}
