#ifndef PPS_C_WHERE_H
#define PPS_C_WHERE_H

/* From here on the process writes its stack when it is asked (SIGXCPU) or ended by a fault of its own. */
void where_begin(const char *artifact);

/* The component is loaded; `symbol` lies in it. */
void where_loaded(const void *symbol);
#endif
