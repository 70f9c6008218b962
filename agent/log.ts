import { pino } from 'pino';
import type { Logger } from 'pino';
import type { LogLevel } from './config/config.ts';

/**
 * The process's log: one JSON line per event on standard error, written at once, so that the last words before a
 * crash are there.
 */
export function createLog(level: LogLevel, name: string): Logger {
  const destination = pino.destination({ fd: 2, sync: true });
  return pino({ level, name, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
