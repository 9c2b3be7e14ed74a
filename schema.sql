-- The store of Keystead, as it is today: one SQLite file, made by running this text on an empty one.
--
-- A change here comes with a step in src/store/sqlite/migrations.rs that brings older files to the same shape; a test
-- holds the two equal. Times are whole milliseconds since 1970-01-01T00:00:00Z.

PRAGMA application_id = 1262836051; -- 0x4B455953, "KEYS": how a file is known to be ours
PRAGMA user_version = 7;            -- the version of this schema

-- Whom keys belong to.
CREATE TABLE organizations (
    id         INTEGER PRIMARY KEY, -- 63 random bits; clients see it as org_ and 16 hexadecimal digits
    name       TEXT    NOT NULL,    -- 1 to 255 characters, for people
    created_at INTEGER NOT NULL     -- when it was created
) STRICT;

-- What organizations divide their work into; each has keys of its own.
CREATE TABLE projects (
    id              INTEGER PRIMARY KEY,                            -- 63 random bits; clients see it as proj_ and 16 hexadecimal digits
    organization_id INTEGER NOT NULL REFERENCES organizations (id), -- whose it is
    name            TEXT    NOT NULL,                               -- 1 to 255 characters, unique within the organization
    description     TEXT,                                           -- what it is for; null where nobody said
    created_at      INTEGER NOT NULL,                               -- when it was created
    UNIQUE (organization_id, name)
) STRICT;

-- The keys: everything but their secrets. A revoked key has no row.
CREATE TABLE api_keys (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,                -- never reused, also not after a revocation
    organization_id INTEGER NOT NULL REFERENCES organizations (id),   -- the one organization that sees the key
    digest          BLOB    NOT NULL CHECK (length(digest) = 32),     -- digest of the full key; during a rotation of the outgoing one
    tail            TEXT    NOT NULL CHECK (length(tail) = 6),        -- the last six characters of that
    name            TEXT    NOT NULL,                                 -- 1 to 255 characters, for people
    valid           INTEGER NOT NULL CHECK (valid IN (0, 1)),         -- 0: switched off, authenticates nobody
    created_at      INTEGER NOT NULL,                                 -- when it was minted
    project_id      INTEGER REFERENCES projects (id),                 -- the project it belongs to; null for the organization's own
    expires_at      INTEGER,                                          -- from when on it authenticates nobody; null for never
    rotates_at      INTEGER,                                          -- when the new key takes the outgoing one's place; null without a rotation
    rate_limit      INTEGER,                                          -- how often it may be used in a window; null for as often as anybody likes
    rate_window_s   INTEGER,                                          -- how long such a window is, in seconds; null without rate_limit
    allowed_addresses TEXT,                                           -- addresses and networks it may be used from, with commas; null for any
    digest_algorithm INTEGER NOT NULL DEFAULT 0 CHECK (digest_algorithm IN (0, 1)) -- of digest: 0 for BLAKE3, 1 for SHA-256, which an imported key keeps until it is used
) STRICT;

-- Lists the keys of an organization or a project by number; grows at its ends only, so it costs an insert next to nothing.
CREATE INDEX api_keys_by_scope ON api_keys (organization_id, project_id);

-- What there is to say about a key's values besides what api_keys has of the one that it has now. Apart from api_keys, since
-- times of use change all the time and those rows do not, and since most keys have no row here.
-- The checks say BETWEEN: SQLite makes a table of three values after IN, for each row, which would double what a use costs.
CREATE TABLE key_values (
    key_id INTEGER NOT NULL,                              -- the key; those of a revoked key go with it
    kind   INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2), -- 0: the value that api_keys has, 1: the new one of a rotation in its grace, 2: a former one, the last 16 of each key, so that its users learn what happened to it
    number INTEGER NOT NULL,                              -- of a former value: counts up; 0 for others
    digest BLOB    CHECK (length(digest) = 32),           -- digest of the full key; null for kind 0
    digest_algorithm INTEGER NOT NULL DEFAULT 0 CHECK (digest_algorithm BETWEEN 0 AND 1), -- of digest: 0 for BLAKE3, 1 for SHA-256
    tail   TEXT    CHECK (length(tail) = 6),              -- of a new value: its last six characters
    last_used_at INTEGER,                                 -- when it last authenticated a request, up to a second behind while the server runs; null for never, and for former values
    PRIMARY KEY (key_id, kind, number)
) STRICT, WITHOUT ROWID;

-- Finds a key by its digest, for keys up to digest_index_state.indexed_through; newer ones are found in memory, from
-- where they come here in sorted runs: inserting random digests one by one would write a page a key. The digests of
-- rotations and imports come here at once, and the former ones stay.
CREATE TABLE digest_index (
    prefix INTEGER NOT NULL, -- the first eight bytes of the digest, big-endian; two keys may share it
    key_id INTEGER NOT NULL, -- the key
    PRIMARY KEY (prefix, key_id)
) STRICT, WITHOUT ROWID;

-- How far the digest index has come: always one row.
CREATE TABLE digest_index_state (
    id              INTEGER PRIMARY KEY CHECK (id = 1), -- 1
    indexed_through INTEGER NOT NULL                    -- every key up to this number is in digest_index
) STRICT;
INSERT INTO digest_index_state (id, indexed_through) VALUES (1, 0);

-- What imports have ever brought in: always one row. What is not here is not looked for.
CREATE TABLE imported_forms (
    id           INTEGER PRIMARY KEY CHECK (id = 1),              -- 1
    has_foreign  INTEGER NOT NULL CHECK (has_foreign IN (0, 1)),  -- 1: there may be keys of another form than ours
    has_sha256   INTEGER NOT NULL CHECK (has_sha256 IN (0, 1))    -- 1: there may be keys that are known by a SHA-256 digest
) STRICT;
INSERT INTO imported_forms (id, has_foreign, has_sha256) VALUES (1, 0, 0);

-- Values that were good once and never will be again: of keys that were revoked, and what rotations took away.
CREATE TABLE ended_values (
    digest    BLOB    NOT NULL CHECK (length(digest) = 32), -- digest of the full key
    algorithm INTEGER NOT NULL CHECK (algorithm IN (0, 1)), -- 0 for BLAKE3, 1 for SHA-256
    PRIMARY KEY (digest, algorithm)
) STRICT, WITHOUT ROWID;

-- How far the ledger of revocations, the file beside this one, has come with this store: always one row.
CREATE TABLE ledger_mark (
    id         INTEGER PRIMARY KEY CHECK (id = 1),              -- 1
    number     INTEGER NOT NULL,                                -- the last commit that is in both, counted from 1; 0 for none
    event      INTEGER NOT NULL,                                -- the newest event that it ended with; 0 for none
    event_hash BLOB    NOT NULL CHECK (length(event_hash) = 16) -- the beginning of that event's hash
) STRICT;
INSERT INTO ledger_mark (id, number, event, event_hash) VALUES (1, 0, 0, zeroblob(16));

-- Numbers that no key has, because another copy of this store may have given them out.
CREATE TABLE skipped_numbers (
    first INTEGER PRIMARY KEY, -- the first such number
    last  INTEGER NOT NULL     -- the last one; all in between are skipped as well
) STRICT;

-- The last import, if there was any. While it is under way, and once it has failed, the keys with its numbers are not there for
-- anybody; they are there at once when it is published.
CREATE TABLE imports (
    id           INTEGER PRIMARY KEY CHECK (id = 1),              -- 1: there is one at a time
    token        BLOB    NOT NULL CHECK (length(token) = 16),     -- random: the file beside the store where its rows wait has the same
    first_id     INTEGER NOT NULL,                                -- the number of its first key
    last_id      INTEGER NOT NULL,                                -- the number of its last key
    stored       INTEGER NOT NULL,                                -- how many of them are in api_keys
    stored_place INTEGER NOT NULL,                                -- the row in the file that the last one of these comes from
    indexed      INTEGER NOT NULL,                                -- how many of them are in digest_index, by their digests
    indexed_prefix INTEGER NOT NULL,                              -- the first eight bytes of the last one of these
    indexed_place INTEGER NOT NULL,                               -- the row in the file that it comes from
    stage        INTEGER NOT NULL CHECK (stage IN (0, 1, 2, 3))   -- 0: under way, 1: failed, 2: published, 3: removed after it failed
) STRICT;

-- What was done, by whom, when and from where: a chain of hashes that is only ever appended to, and pruned from its old
-- end. docs/audit.md says how the hashes are made.
CREATE TABLE audit_events (
    number          INTEGER PRIMARY KEY, -- counts up by one from 1
    at              INTEGER NOT NULL,    -- when it was done
    organization_id INTEGER,             -- whom it concerns; null for the whole store
    project_id      INTEGER,             -- the project that it concerns, there or gone; null for none
    actor_key_id    INTEGER,             -- the key that it was done with, there or gone; null where there was none
    actor_name      TEXT    NOT NULL,    -- that key's name at the time; operator or keystead without one
    action          TEXT    NOT NULL,    -- what was done, such as api_key.created
    resource        TEXT    NOT NULL,    -- to what, such as api_key/12
    change          TEXT    NOT NULL,    -- a JSON object: before and after, without secrets
    client_address  TEXT,                -- where the request came from; null where nobody knows
    user_agent      TEXT,                -- what the client calls itself, its first 256 characters
    request_id      TEXT,                -- what the client calls the request, its first 256 characters
    hash            BLOB    NOT NULL CHECK (length(hash) = 32) -- BLAKE3 of the predecessor's hash and this event
) STRICT;

-- Finds an organization's events, however many others there are.
CREATE INDEX audit_events_by_organization ON audit_events (organization_id);

-- Requests that must not be done twice, kept for a day.
CREATE TABLE idempotent_requests (
    caller_key_id  INTEGER NOT NULL,                               -- the key that the caller authenticated with
    name           TEXT    NOT NULL,                               -- the Idempotency-Key
    request_digest BLOB    NOT NULL CHECK (length(request_digest) = 32), -- BLAKE3 of what was asked
    api_key_id     INTEGER NOT NULL,                               -- the key that it made or rotated
    created_at     INTEGER NOT NULL,                               -- when it was done
    PRIMARY KEY (caller_key_id, name)
) STRICT, WITHOUT ROWID;

-- Finds what is old enough to be forgotten.
CREATE INDEX idempotent_requests_by_age ON idempotent_requests (created_at);
