/** CNI specification 1.1.0, "Error"; from 100 on they are ours. */
export const cniCodes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  badEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  badConfig: 7,
  badNamespace: 8,
  tryAgain: 11,
  unavailable: 50,
  /** The kernel refused something. */
  kernel: 100,
  /** The interface that ADD shall make is there already, and not ours. */
  interfaceExists: 101,
  /** An address that was asked for is somebody else's, or none of this node's. */
  addressRefused: 102,
  /** The node has no address left. */
  exhausted: 103,
  /** A port of the node that was asked for is somebody else's. */
  portTaken: 104,
  /** CHECK found something else than there should be. */
  checkFailed: 110,
  /** GC could not free everything. */
  garbageLeft: 111,
} as const;

export type CniCode = (typeof cniCodes)[keyof typeof cniCodes];

/** A refusal, as the runtime is told of it. */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: CniCode;
  /** More for whoever reads the runtime's log: what to do, the kernel's own words. */
  readonly details: string;

  constructor(code: CniCode, message: string, details = '', options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** The error as JSON for the plugin's stdout. */
export function renderError({ code, message, details }: CniError, cniVersion: string): string {
  const fields = { cniVersion, code, msg: message, ...(details === '' ? {} : { details }) };
  return `${JSON.stringify(fields)}\n`;
}
