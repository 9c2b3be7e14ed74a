-- The current schema of Keystead's store: one SQLite file, created by running this text on an empty file.
--
-- Each change here needs a step in src/store/sqlite/migrations.rs that migrates older files to the same schema; a test
-- compares the two. Times are whole milliseconds since 1970-01-01T00:00:00Z.

PRAGMA application_id = 1262836051; -- 0x4B455953, "KEYS": identifies a Keystead store
PRAGMA user_version = 8;            -- the version of this schema

-- Organizations. Each key belongs to exactly one.
CREATE TABLE organizations (
    id         INTEGER PRIMARY KEY, -- 63 random bits; clients see org_ and 16 hexadecimal digits
    name       TEXT    NOT NULL,    -- 1 to 255 characters, for people
    created_at INTEGER NOT NULL     -- creation time
) STRICT;

-- Projects. Each belongs to one organization and has its own keys.
CREATE TABLE projects (
    id              INTEGER PRIMARY KEY,                            -- 63 random bits; clients see proj_ and 16 hexadecimal digits
    organization_id INTEGER NOT NULL REFERENCES organizations (id), -- the project's organization
    name            TEXT    NOT NULL,                               -- 1 to 255 characters, unique within the organization
    description     TEXT,                                           -- its purpose; null: not given
    created_at      INTEGER NOT NULL,                               -- creation time
    UNIQUE (organization_id, name)
) STRICT;

-- API keys, without their secrets. A revoked key has no row.
CREATE TABLE api_keys (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,                -- never reused, not even after a revocation
    organization_id INTEGER NOT NULL REFERENCES organizations (id),   -- the key's organization
    digest          BLOB    NOT NULL CHECK (length(digest) = 32),     -- digest of the full key; during a rotation, of the outgoing value
    tail            TEXT    NOT NULL CHECK (length(tail) = 6),        -- the last six characters of that value
    name            TEXT    NOT NULL,                                 -- 1 to 255 characters, for people
    valid           INTEGER NOT NULL CHECK (valid IN (0, 1)),         -- 0: deactivated, authentication fails
    created_at      INTEGER NOT NULL,                                 -- creation time
    project_id      INTEGER REFERENCES projects (id),                 -- the key's project; null: a key of the organization
    expires_at      INTEGER,                                          -- expiry; null: never
    rotates_at      INTEGER,                                          -- when the new value replaces the outgoing one; null: no rotation
    rate_limit      INTEGER,                                          -- maximum uses in a window; null: no limit
    rate_window_s   INTEGER,                                          -- length of the window, in seconds; null without rate_limit
    allowed_addresses TEXT,                                           -- allowed client addresses and networks, separated by commas; null: any
    digest_algorithm INTEGER NOT NULL DEFAULT 0 CHECK (digest_algorithm IN (0, 1)), -- of digest: 0 BLAKE3, 1 SHA-256 (an imported key, until its first use)
    role              INTEGER CHECK (role BETWEEN 0 AND 4),           -- what it may do in Keystead: 0 none, 1 verifier, 2 auditor, 3 manager, 4 admin; null: never changed from the default, admin, or verifier for a project's key
    permissions       TEXT,                                           -- what it may do elsewhere, separated by spaces; null: never had any
    owner             TEXT,                                           -- whose key it is, 1 to 255 characters; null: not given
    metadata          TEXT                                            -- a JSON object of at most 4,096 bytes; null: empty
) STRICT;

-- Lists the keys of an organization or a project by id. It grows only at its ends, so inserts cost almost nothing.
CREATE INDEX api_keys_by_scope ON api_keys (organization_id, project_id);

-- Finds the keys of an owner. Keys without an owner are not in it.
CREATE INDEX api_keys_by_owner ON api_keys (organization_id, project_id, owner) WHERE owner IS NOT NULL;

-- Last uses, new values and former values of keys; api_keys has the current value. A separate table, since last uses change
-- all the time and rows of api_keys do not, and since most keys have no row here.
-- The checks use BETWEEN: for IN with three values, SQLite builds a table for each row, which doubles the cost of a use.
CREATE TABLE key_values (
    key_id INTEGER NOT NULL,                              -- the key; the rows of a revoked key are deleted with it
    kind   INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2), -- 0: the current value, 1: the new value of a rotation in its grace period, 2: a former value; the last 16 of each key are kept, so that their users learn what happened
    number INTEGER NOT NULL,                              -- former values: counts up; otherwise 0
    digest BLOB    CHECK (length(digest) = 32),           -- digest of the full key; null for kind 0
    digest_algorithm INTEGER NOT NULL DEFAULT 0 CHECK (digest_algorithm BETWEEN 0 AND 1), -- of digest: 0 BLAKE3, 1 SHA-256
    tail   TEXT    CHECK (length(tail) = 6),              -- new values: the last six characters
    last_used_at INTEGER,                                 -- last successful authentication, up to a second late while the server runs; null: never, and for former values
    PRIMARY KEY (key_id, kind, number)
) STRICT, WITHOUT ROWID;

-- How often keys were used or asked about. Counts of the current hour change all the time; the oldest hours are deleted.
CREATE TABLE usage (
    hour            INTEGER NOT NULL,                               -- hours since 1970-01-01T00:00:00Z
    organization_id INTEGER NOT NULL,                               -- the organization
    key_id          INTEGER NOT NULL,                               -- the key, which may be revoked; 0: all keys of the organization
    outcome         INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 6), -- 0 valid; refused: 1 deactivated, 2 expired, 3 rotated out, 4 rate limit, 5 address, 6 permissions
    count           INTEGER NOT NULL,                               -- how often
    PRIMARY KEY (hour, organization_id, key_id, outcome)
) STRICT, WITHOUT ROWID;

-- Finds keys by digest, up to digest_index_state.indexed_through. Newer keys are found in memory, and are written here in
-- sorted runs: inserting random digests one by one would write one page for each key. Digests of rotations and imports are
-- written at once. Digests of former values stay.
CREATE TABLE digest_index (
    prefix INTEGER NOT NULL, -- first eight bytes of the digest, big-endian; not unique
    key_id INTEGER NOT NULL, -- the key
    PRIMARY KEY (prefix, key_id)
) STRICT, WITHOUT ROWID;

-- Progress of the digest index: always one row.
CREATE TABLE digest_index_state (
    id              INTEGER PRIMARY KEY CHECK (id = 1), -- 1
    indexed_through INTEGER NOT NULL                    -- every key up to this id is in digest_index
) STRICT;
INSERT INTO digest_index_state (id, indexed_through) VALUES (1, 0);

-- Forms of keys and digests that imports have ever added: always one row. Lookups skip the others.
CREATE TABLE imported_forms (
    id           INTEGER PRIMARY KEY CHECK (id = 1),              -- 1
    has_foreign  INTEGER NOT NULL CHECK (has_foreign IN (0, 1)),  -- 1: there may be keys that do not have Keystead's own form
    has_sha256   INTEGER NOT NULL CHECK (has_sha256 IN (0, 1))    -- 1: there may be keys with a SHA-256 digest
) STRICT;
INSERT INTO imported_forms (id, has_foreign, has_sha256) VALUES (1, 0, 0);

-- Ended values: values of revoked keys, and values that rotations replaced. They never become valid again, unless an operator
-- imports them with permission.
CREATE TABLE ended_values (
    digest    BLOB    NOT NULL CHECK (length(digest) = 32), -- digest of the full key
    algorithm INTEGER NOT NULL CHECK (algorithm IN (0, 1)), -- 0 BLAKE3, 1 SHA-256
    PRIMARY KEY (digest, algorithm)
) STRICT, WITHOUT ROWID;

-- The last commit of the ledger of revocations (the file beside this one) that this store has: always one row.
CREATE TABLE ledger_mark (
    id         INTEGER PRIMARY KEY CHECK (id = 1),              -- 1
    number     INTEGER NOT NULL,                                -- number of that commit, counted from 1; 0: none
    event      INTEGER NOT NULL,                                -- newest audit event of that commit; 0: none
    event_hash BLOB    NOT NULL CHECK (length(event_hash) = 16) -- first 16 bytes of that event's hash
) STRICT;
INSERT INTO ledger_mark (id, number, event, event_hash) VALUES (1, 0, 0, zeroblob(16));

-- Key ids that are skipped, because another copy of this store may have used them.
CREATE TABLE skipped_numbers (
    first INTEGER PRIMARY KEY, -- first id of a range
    last  INTEGER NOT NULL     -- last id of the range
) STRICT;

-- The last import. Its keys are invisible while it is in progress and after it failed; publication makes all of them visible
-- at once.
CREATE TABLE imports (
    id           INTEGER PRIMARY KEY CHECK (id = 1),              -- 1: one import at a time
    token        BLOB    NOT NULL CHECK (length(token) = 16),     -- random; also in the file beside the store where its rows wait
    first_id     INTEGER NOT NULL,                                -- id of its first key
    last_id      INTEGER NOT NULL,                                -- id of its last key
    stored       INTEGER NOT NULL,                                -- how many of its keys are in api_keys
    stored_place INTEGER NOT NULL,                                -- number of the last stored row
    indexed      INTEGER NOT NULL,                                -- how many of its keys are in digest_index, in the order of digests
    indexed_prefix INTEGER NOT NULL,                              -- digest prefix of the last indexed row
    indexed_place INTEGER NOT NULL,                               -- number of the last indexed row
    stage        INTEGER NOT NULL CHECK (stage IN (0, 1, 2, 3))   -- 0: in progress, 1: failed, 2: published, 3: removed after it failed
) STRICT;

-- The audit log: a chain of hashes. Events are only appended, and pruned from the oldest on. docs/audit.md describes the
-- hashes.
CREATE TABLE audit_events (
    number          INTEGER PRIMARY KEY, -- counts up by one from 1
    at              INTEGER NOT NULL,    -- time of the event
    organization_id INTEGER,             -- the organization that it concerns; null: the whole store
    project_id      INTEGER,             -- the project that it concerns, which may be deleted; null: none
    actor_key_id    INTEGER,             -- the key of the actor, which may be revoked; null: no key
    actor_name      TEXT    NOT NULL,    -- that key's name at the time; without a key: operator or keystead
    action          TEXT    NOT NULL,    -- the action, for example api_key.created
    resource        TEXT    NOT NULL,    -- the object, for example api_key/12
    change          TEXT    NOT NULL,    -- a JSON object with before and after, without secrets
    client_address  TEXT,                -- client IP address; null: unknown
    user_agent      TEXT,                -- the client's User-Agent, its first 256 characters
    request_id      TEXT,                -- the client's request id, its first 256 characters
    hash            BLOB    NOT NULL CHECK (length(hash) = 32) -- BLAKE3 of the predecessor's hash and this event
) STRICT;

-- Finds the events of one organization without reading those of others.
CREATE INDEX audit_events_by_organization ON audit_events (organization_id);

-- Requests that must not be executed twice, kept for a day.
CREATE TABLE idempotent_requests (
    caller_key_id  INTEGER NOT NULL,                               -- the key that the caller authenticated with
    name           TEXT    NOT NULL,                               -- a hash of the Idempotency-Key
    request_digest BLOB    NOT NULL CHECK (length(request_digest) = 32), -- BLAKE3 of the request
    api_key_id     INTEGER NOT NULL,                               -- the key that it created or rotated
    created_at     INTEGER NOT NULL,                               -- time of the request
    PRIMARY KEY (caller_key_id, name)
) STRICT, WITHOUT ROWID;

-- Finds expired rows.
CREATE INDEX idempotent_requests_by_age ON idempotent_requests (created_at);
