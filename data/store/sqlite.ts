// One SQLite file with a schema of ours, held by this process: opening, migrating, transactions,
// errors that name the file. jobs.ts keeps the service's jobs through it. Write-ahead log with a
// full fsync at each commit: what a call has returned, a power cut does not undo.
// https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { CorruptFileError, InputError, StorageError } from "../../core/errors.ts";
import { acquireLock, type Lock } from "./lock.ts";

/** What a file holds. */
export interface Schema {
  /** SQLite's mark of whose file it is. */
  applicationId: number;
  /** Entry v leads from version v to v + 1. */
  migrations: readonly string[];
}

/** A row as SQLite gives it. */
export type Row = Record<string, unknown>;

const BUSY_TIMEOUT_MS = 5000; // another program may be reading the file

/** An open file; any method throws StorageError or CorruptFileError, naming it. */
export class Sqlite {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #lock: Lock;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(path: string, database: DatabaseSync, lock: Lock) {
    this.path = path;
    this.#database = database;
    this.#lock = lock;
  }

  /**
   * Opens or makes the file `path`, takes its lock, checks it and brings it to the newest version.
   *
   * @throws {BusyError} another process holds it, naming pid and host
   * @throws {CorruptFileError} damaged, another program's, or not what its version says
   * @throws {InputError} made by a newer version of this program
   * @throws {StorageError} it cannot be written
   */
  static async open(path: string, schema: Schema): Promise<Sqlite> {
    const lock = await acquireLock(`${path}.lock`);
    try {
      const database = reporting(path, () => new DatabaseSync(path));
      try {
        reporting(path, () => prepare(database, path, schema));
        return new Sqlite(path, database, lock);
      } catch (error) {
        database.close();
        throw error;
      }
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Runs a statement; it is on the disk when this returns, outside a transaction. */
  run(sql: string, ...values: SQLInputValue[]): void {
    reporting(this.path, () => this.#statement(sql).run(...values));
  }

  /** The rows that a query gives. */
  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return reporting(this.path, () => this.#statement(sql).all(...values));
  }

  /** All of what `work` writes, or nothing where it throws. */
  transaction<T>(work: () => T): T {
    this.run("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.run("COMMIT");
      return result;
    } catch (error) {
      // SQLite has rolled back by itself where the disk was full.
      if (this.#database.isTransaction) this.run("ROLLBACK");
      throw error;
    }
  }

  /** Closes the file and gives the lock back; more calls do nothing. */
  async close(): Promise<void> {
    if (this.#database.isOpen) reporting(this.path, () => this.#database.close());
    await this.#lock.release();
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function prepare(database: DatabaseSync, path: string, schema: Schema): void {
  database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  const { quick_check: verdict } = database.prepare("PRAGMA quick_check(1)").get() ?? {};
  if (verdict !== "ok") {
    throw new CorruptFileError(`Cannot open ${path}: expected a sound database, got "${verdict}"`);
  }
  migrate(database, path, schema);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
}

/** Brings an open database to the newest version in one transaction; a new file gets its tables. */
function migrate(database: DatabaseSync, path: string, { applicationId, migrations }: Schema) {
  const version = readNumber(database, "user_version");
  const owner = readNumber(database, "application_id");
  const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() ?? {};
  const fresh = version === 0 && owner === 0 && tables === 0;
  if (!fresh && owner !== applicationId) {
    throw new CorruptFileError(
      `Cannot open ${path}: expected a database of this program, got another SQLite file`,
    );
  }
  if (version > migrations.length) {
    throw new InputError(
      `Cannot open ${path}: expected a schema up to version ${migrations.length}, ` +
        `got version ${version}, made by a newer version of this program`,
    );
  }
  if (version === migrations.length) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    for (const statements of migrations.slice(version)) database.exec(statements);
    database.exec(`PRAGMA application_id = ${applicationId}`);
    database.exec(`PRAGMA user_version = ${migrations.length}`);
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function readNumber(database: DatabaseSync, pragma: string): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
}

// The driver hands on SQLite's words only, not its codes.
const DAMAGE = /not a database|malformed|no such (table|column)|duplicate column|already exists/;
const UNWRITABLE = /disk is full|I\/O error|unable to open|readonly|database is locked/;

/** Runs a call of SQLite and names the file in what it throws. */
function reporting<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR")) {
      throw error;
    }
    const { message } = error;
    if (DAMAGE.test(message)) {
      throw new CorruptFileError(
        `Cannot use ${path}: expected a sound database of this program, got "${message}"`,
        { cause: error },
      );
    }
    if (UNWRITABLE.test(message)) {
      throw new StorageError(
        `Cannot write ${path}: expected a writable file with room on its disk, got "${message}"`,
        { cause: error },
      );
    }
    throw error;
  }
}
