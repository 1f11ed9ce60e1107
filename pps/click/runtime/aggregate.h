/* Counts by aggregate annotation. */
#ifndef CLICK_AGGREGATE_H
#define CLICK_AGGREGATE_H
#include "addresses.h"

enum { AGGREGATE_BUCKETS = 4096 };

struct aggregate {
	uint32_t label, count;
	struct aggregate *same; /* in this bucket */
};

struct aggregates {
	struct aggregate *bucket[AGGREGATE_BUCKETS];
	uint32_t nonzero;
	uint64_t count;
};

/* The count of a label; NULL: there is none and none is to be made, or no memory. */
static inline struct aggregate *aggregates_at(struct aggregates *t, uint32_t label, bool make)
{
	struct aggregate **at = &t->bucket[label * 0x9e3779b1u >> 20];
	while (*at && (*at)->label != label)
		at = &(*at)->same;
	if (*at && ((*at)->count || make))
		return *at;
	if (*at || !make)
		return NULL;
	*at = (struct aggregate *)calloc(1, sizeof(**at));
	if (*at)
		(*at)->label = label;
	return *at;
}

static inline void aggregates_clear(struct aggregates *t)
{
	for (uint32_t i = 0; i < AGGREGATE_BUCKETS; i++)
		while (t->bucket[i]) {
			struct aggregate *next = t->bucket[i]->same;
			free(t->bucket[i]);
			t->bucket[i] = next;
		}
	t->nonzero = 0;
	t->count = 0;
}

static int aggregates__order(const void *a, const void *b)
{
	uint32_t x = (*(const struct aggregate *const *)a)->label,
		 y = (*(const struct aggregate *const *)b)->label;
	return (x > y) - (x < y);
}

/* Those that are not zero, by label: free() the list. NULL: no memory. */
static inline const struct aggregate **aggregates_list(const struct aggregates *t, uint32_t *n)
{
	uint32_t room = t->nonzero;
	const struct aggregate **list = (const struct aggregate **)malloc((room + 1) * sizeof(*list));
	*n = 0;
	for (uint32_t i = 0; list && i < AGGREGATE_BUCKETS; i++)
		for (const struct aggregate *a = t->bucket[i]; a; a = a->same)
			if (a->count && *n < room)
				list[(*n)++] = a;
	if (list)
		qsort(list, *n, sizeof(*list), aggregates__order);
	return list;
}

/* How many aggregates had each count: counts become labels. */
static inline bool aggregates_again(struct aggregates *t)
{
	uint32_t n;
	const struct aggregate **list = aggregates_list(t, &n);
	uint32_t *counts = list ? (uint32_t *)malloc((n + 1) * sizeof(*counts)) : NULL;
	for (uint32_t i = 0; counts && i < n; i++)
		counts[i] = list[i]->count;
	free(list);
	if (!counts)
		return false;
	aggregates_clear(t);
	for (uint32_t i = 0; i < n; i++) {
		struct aggregate *a = aggregates_at(t, counts[i], true);
		if (!a)
			continue;
		t->nonzero += a->count == 0;
		a->count++;
		t->count++;
	}
	free(counts);
	return true;
}

enum aggregate_format { AGGREGATE_BINARY, AGGREGATE_TEXT, AGGREGATE_IP, AGGREGATE_PDF };

/* Write the counts to a file that the VNFC may write, or to its log (`-`). */
static inline int aggregates_write(const struct aggregates *t, const char *name, const char *banner,
				   enum aggregate_format format, struct click_text *out)
{
	uint32_t n;
	char ip[CLICK_IP_TEXT];
	bool log = strcmp(name, "-") == 0;
	FILE *file = log ? stdout : fopen(name, "w");
	const struct aggregate **list = file ? aggregates_list(t, &n) : NULL;
	if (!list) {
		int why = errno;
		if (file && !log)
			fclose(file);
		return click_refuse(out, "%s: %s", name, strerror(why));
	}
	fprintf(file, "!IPAggregate 1.0\n%s%s!num_nonzero %u\n%s", banner, *banner ? "\n" : "", t->nonzero,
		format == AGGREGATE_BINARY ? "!packed_le\n"
		: format == AGGREGATE_IP   ? "!ip\n"
					   : "");
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t pair[2] = { list[i]->label, list[i]->count };
		if (format == AGGREGATE_BINARY)
			fwrite(pair, sizeof(pair), 1, file);
		else if (format == AGGREGATE_IP)
			fprintf(file, "%s %u\n", click_ip_text(net32(pair[0]), ip), pair[1]);
		else if (format == AGGREGATE_PDF)
			fprintf(file, "%u %.12g\n", pair[0], pair[1] / (double)t->count);
		else
			fprintf(file, "%u %u\n", pair[0], pair[1]);
	}
	free(list);
	bool bad = fflush(file) != 0;
	bad |= !log && fclose(file) != 0;
	return bad ? click_refuse(out, "%s: file error", name) : 0;
}
#endif
