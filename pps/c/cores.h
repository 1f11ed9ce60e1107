#ifndef PPS_C_CORES_H
#define PPS_C_CORES_H

/* Where $COVEN_CORES names a folder, core dumps of this process go there. */
void leave_cores(void);
#endif
