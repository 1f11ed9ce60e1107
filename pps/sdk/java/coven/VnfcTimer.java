package coven;

/** A timer that was set, for {@link Vnfc#cancel}. */
public final class VnfcTimer {
    final int id; // free for another one once this has ended
    final Runnable run;
    final boolean repeat;

    VnfcTimer(int id, Runnable run, boolean repeat) {
        this.id = id;
        this.run = run;
        this.repeat = repeat;
    }
}
