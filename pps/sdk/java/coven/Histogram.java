package coven;

/** How often which values were observed, by powers of two. */
public final class Histogram {
    static final int KIND = 3; // enum hop_metric
    private final int number;

    Histogram(int number) {
        this.number = number;
    }

    public void observe(double value) {
        Native.measure(number, value);
    }
}
