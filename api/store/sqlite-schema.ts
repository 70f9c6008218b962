import { DatabaseSync } from 'node:sqlite';
import { StoreError } from './store.ts';

/**
 * One row per version of a key. `superseded` is the revision that replaced or deleted it, NULL while it is the
 * newest. A deletion leaves a row without a value, superseded by itself, so that it lists nowhere yet tells watchers.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS versions (
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    create_revision INTEGER NOT NULL,
    superseded INTEGER,
    value TEXT,
    PRIMARY KEY (key, revision)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS versions_newest ON versions (key) WHERE superseded IS NULL;
  CREATE INDEX IF NOT EXISTS versions_by_revision ON versions (revision);
  CREATE INDEX IF NOT EXISTS versions_superseded ON versions (superseded) WHERE superseded IS NOT NULL;
  CREATE TABLE IF NOT EXISTS compaction (id INTEGER PRIMARY KEY CHECK (id = 0), revision INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO compaction VALUES (0, 0);
`;

const schemaVersion = 1;

/**
 * Opens the database for this process alone. WAL with synchronous=FULL: a commit is on the disk when it returns
 * (https://www.sqlite.org/pragma.html#pragma_synchronous), and a kill at any instant leaves a readable file.
 */
export function openDatabase(file: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    // The exclusive lock keeps a second server out; it also lets WAL do without a shared-memory file.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
    if (version > schemaVersion) {
      throw new StoreError(
        'unavailable',
        `${file} was written by a newer weft (schema ${version}); upgrade weft`,
      );
    }
    database.exec(`BEGIN IMMEDIATE; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT`);
    return database;
  } catch (error) {
    database?.close();
    throw toStoreError(error, file);
  }
}

/** SQLite's result codes as ours: https://www.sqlite.org/rescode.html. */
export function toStoreError(error: unknown, file: string): StoreError {
  if (error instanceof StoreError) return error;
  const busy = 5;
  const message = error instanceof Error ? error.message : String(error);
  const errcode = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  if (errcode === busy) {
    return new StoreError(
      'locked',
      `${file} is in use by another process; stop the other weft server first`,
      {
        cause: error,
      },
    );
  }
  return new StoreError('unavailable', `${file}: ${message}`, { cause: error });
}
