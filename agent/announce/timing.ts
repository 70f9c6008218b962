/**
 * How long a node may announce after it sent its last heartbeat that the API took, in seconds: a Lease counts in whole
 * ones. Safety and the 3 s of a takeover follow from these figures: docs/load-balancer.md.
 */
export const leaseSeconds = 2;

/** A node that says it restarts keeps its addresses for so long. */
export const restartSeconds = 10;

/** Others wait so much longer than a node may announce: clocks that run unlike, a timer that is late. */
export const marginMs = 300;

/** A heartbeat is sent so often, by nodes that announce something. */
export const beatMs = 700;

/** A request of the announcer has failed when it takes longer: the next attempt needs its time, too. */
export const requestMs = 900;

/** The candidates of a free address try one after the other, so far apart: the best alone in most cases. */
export const staggerMs = 150;

/** While nobody reaches the API: how long to listen for another's claim before an address is answered for again. */
export const quietMs = 3_000;
