/* The forwarder: moves bursts from stage to stage, sleeps when there are none.
 *
 * It parses nothing and has no capability: the keeper hands it objects and sockets, writes the wiring and
 * moves the epoch. forwarder.c is the loop, control.c takes wiring up, account.c publishes figures,
 * capture.c is the loop's other clock, watch.c tells what becomes of each packet to whoever asked.
 */
#ifndef ITF_FORWARDER_H
#define ITF_FORWARDER_H
#include "stage.h"

static const uint64_t STALL_NS = 20000000; /* what does not move keeps others waiting no longer than this */

struct pending { /* descriptors that came ahead of the wiring that names them */
	uint32_t generation;
	unsigned count;
	int fds[SEG_PORTS];
};

struct forwarder {
	struct fabric fabric;
	struct statistics *published;
	int control;			    /* SOCK_SEQPACKET to the keeper */
	int sleep_all;			    /* epoll: control, ports, hops */
	int sleep_hops;			    /* epoll: control and hops, when ports wait for a hop */
	const struct stage_ops *const *ops; /* NULL-terminated: what is linked in */
	struct stage hops[SEG_HOPS], ports[SEG_PORTS];
	struct stage single[STAGE_IDS - STAGE_SINGLE]; /* by id: those that there is one of */
	struct stage previous[SEG_HOPS];	       /* generation 0: none */
	uint32_t swapping;			       /* bit per hop that has one */
	uint32_t orphans; /* hops whose predecessor an earlier forwarder may have had */
	uint32_t swapped; /* of them, those that have given everything back */
	struct pending pending_hop[SEG_HOPS], pending_port[SEG_PORTS];
	uint32_t line
		[SEG_PORTS]; /* by ingress port: bit per hop on its main line, which holds it back when full */
	struct forwarder_message inject; /* kind MESSAGE_INJECT: a packet that is to be made */
	struct watches *watches;	 /* NULL until there was one */
	bool ended;			 /* the keeper is gone */
	bool dirty;			 /* something moved since the last publication */
	uint32_t report;		 /* number of the report that the keeper waits for, 0 none */
	uint64_t publish_at, account_at, drain_until, switched_at;
	uint64_t wait_until, wait_most; /* a wiring waits for the packets of the one before; 0: none does */
	uint32_t wait_for;		/* how many */
	uint64_t crowded_until,
		crowded_ns;   /* other work wants this core: until when that is believed, and for how long */
	uint64_t last_packet; /* capture mode: time of the last packet read */
};

/* The whole life of the forwarder process; returns its exit status. */
int forwarder_main(int argc, char **argv, const struct stage_ops *const *ops);

/* control.c: read what the keeper sent; take up a new wiring. */
void control_read(struct forwarder *fw);
void control_take_up(struct forwarder *fw);
bool control_must_wait(struct forwarder *fw);
void control_say(struct forwarder *fw, unsigned kind, unsigned index, unsigned generation, const char *text);
void control_close(struct forwarder *fw);

/* account.c */
void account_start(struct forwarder *fw, bool again);
void account_publish(struct forwarder *fw);
unsigned account_in_flight(struct forwarder *fw);
void account_write_off(struct forwarder *fw);

/* swap.c: a hop's next generation takes over while the one before finishes what it has. */
void swap_begin(struct forwarder *fw, unsigned hop);
void swap_end(struct forwarder *fw, unsigned hop, unsigned reason);
unsigned swap_poll(struct forwarder *fw);
bool swap_arm(struct forwarder *fw);
void swap_disarm(struct forwarder *fw);

/* control.c, for swap.c */
void stage_stop(struct forwarder *fw, struct stage *s);

/* watch.c: descriptors of a watch object and its reader's eventfd (none: no more of it); ring those that fill up. */
void watch_take_up(struct forwarder *fw, unsigned index, const int *fds, unsigned count);
void watch_rested(struct forwarder *fw);
void watch_ring(struct forwarder *fw);
void watch_close(struct forwarder *fw);

/* inject.c: the packet that the keeper wants to come in; what is withheld from ports, looked at again. */
void inject(struct forwarder *fw);
void inject_look(struct forwarder *fw);

/* capture.c: one turn in capture mode; false once everything has ended. */
bool capture_turn(struct forwarder *fw, unsigned *moved);

/* hop.c: beyond the stage interface. */
bool hop_congested(struct stage *hop);
bool hop_quiet(struct stage *hop);
bool hop_owes(struct stage *hop);
uint64_t hop_advance(struct stage *hop, uint64_t clock, bool leap);
void hop_forget(struct stage *hop, unsigned tag, unsigned reason, bool alive);
void hop_retire(struct stage *hop);
void hop_account(struct stage *hop);

/* salvage.c: what a hop's process, which has ended, had finished goes on. */
void hop_salvage(struct forwarder *fw, struct stage *hop, unsigned lost_reason);

void hop_follow(struct stage *hop, struct stage *before);
uint32_t hop_has(struct stage *hop);
uint32_t hop_works_on(struct stage *hop);
#endif
