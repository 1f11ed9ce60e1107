/* Prints every figure of a statistics object, as itf/statistics.h reads it: NAME LABELS VALUE, histograms as COUNT/SUM and
 * their median. Arguments: its name. */
#include "itf/statistics.h"

static double median_ns(const struct times *t)
{
	uint64_t reached = 0;
	for (unsigned i = 0; i < TIMES_CELLS; i++) {
		reached += t->cell[i];
		if (t->cell[i] > 0 && 2 * reached >= t->count)
			return (double)(statistics_from_ns(i) + statistics_from_ns(i + 1)) / 2;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct statistics_copy copy = { 0 };
	char why[128];
	if (argc != 2 || statistics_read(argv[1], &copy, why, sizeof why) < 0) {
		fprintf(stderr, "%s\n", argc == 2 ? why : "usage: NAME");
		return 1;
	}
	for (uint32_t i = 0; i < copy.figures; i++) {
		const struct figure *f = statistics_figure(&copy, i);
		struct times t;
		if (statistics_next(&copy, 0, f->name, f->labels) != i)
			continue; /* the sum is told at the first */
		printf("%s\t%s\t", f->name, f->labels);
		if (f->kind == FIGURE_REAL || f->kind == FIGURE_REAL_COUNTER)
			printf("%.17g\n", statistics_real(&copy, f->name, f->labels));
		else if (f->kind == FIGURE_TIMES && statistics_times(&copy, f->name, f->labels, &t))
			printf("%llu/%llu/%.0f\n", (unsigned long long)t.count, (unsigned long long)t.sum_ns,
			       median_ns(&t));
		else
			printf("%lld\n", (long long)statistics_count(&copy, f->name, f->labels));
	}
	statistics_free(&copy);
	return 0;
}
