/** What a worker logs that will come to grief at once, and takes nothing more from its sockets. */
export const FAULT_COMES = 'a fault comes';
