// The tables of the jobs' database; jobs.ts reads and writes them.
import type { Schema } from "./sqlite.ts";

export const jobsSchema: Schema = {
  applicationId: 0x50414e4a, // "PANJ"
  // An entry is never changed once a release carried it.
  migrations: [
    // 1: jobs in the order they were asked for (number) and in the order they run (place)
    `CREATE TABLE jobs (
       number INTEGER PRIMARY KEY AUTOINCREMENT,
       id TEXT NOT NULL UNIQUE,
       kind TEXT NOT NULL CHECK (kind IN ('train', 'front')),
       adapter TEXT NOT NULL,
       state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
       place INTEGER NOT NULL,
       created TEXT NOT NULL,
       started TEXT,
       ended TEXT,
       progress TEXT,
       error TEXT,
       request TEXT NOT NULL
     ) STRICT;
     CREATE INDEX jobs_by_state ON jobs (state, place);
     CREATE TABLE events (
       job INTEGER NOT NULL REFERENCES jobs (number),
       seq INTEGER NOT NULL CHECK (seq > 0),
       time TEXT NOT NULL,
       event TEXT NOT NULL,
       PRIMARY KEY (job, seq)
     ) STRICT, WITHOUT ROWID;`,
    // 2: a wish to cancel outlives the server
    `ALTER TABLE jobs ADD COLUMN cancelling INTEGER NOT NULL DEFAULT 0
       CHECK (cancelling IN (0, 1));`,
  ],
};
