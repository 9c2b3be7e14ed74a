//! Migrates older stores to the current schema.

use rusqlite::Connection;

/// The current schema; it creates a new store.
const SCHEMA: &str = include_str!("../../../schema.sql");

/// The version that `schema.sql` sets.
pub const VERSION: u32 = 1 + STEPS.len() as u32;

/// The step at index `i` migrates version `i + 1` to version `i + 2`, except for `user_version`.
const STEPS: &[&str] = &[
    // 2: projects, expiry, rotation, a last use for each value, idempotent requests.
    "CREATE TABLE projects (
        id              INTEGER PRIMARY KEY,
        organization_id INTEGER NOT NULL REFERENCES organizations (id),
        name            TEXT    NOT NULL,
        description     TEXT,
        created_at      INTEGER NOT NULL,
        UNIQUE (organization_id, name)
    ) STRICT;
    ALTER TABLE api_keys ADD COLUMN project_id INTEGER REFERENCES projects (id);
    ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
    ALTER TABLE api_keys ADD COLUMN shadow_digest BLOB CHECK (length(shadow_digest) = 32);
    ALTER TABLE api_keys ADD COLUMN shadow_tail TEXT CHECK (length(shadow_tail) = 6);
    ALTER TABLE api_keys ADD COLUMN rotates_at INTEGER;
    DROP INDEX api_keys_by_organization;
    CREATE INDEX api_keys_by_scope ON api_keys (organization_id, project_id);
    CREATE TABLE api_key_value_uses (
        key_id       INTEGER NOT NULL,
        is_shadow    INTEGER NOT NULL CHECK (is_shadow IN (0, 1)),
        last_used_at INTEGER NOT NULL,
        PRIMARY KEY (key_id, is_shadow)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO api_key_value_uses (key_id, is_shadow, last_used_at) SELECT key_id, 0, last_used_at FROM api_key_uses;
    DROP TABLE api_key_uses;
    CREATE TABLE idempotent_requests (
        caller_key_id  INTEGER NOT NULL,
        name           TEXT    NOT NULL,
        request_digest BLOB    NOT NULL CHECK (length(request_digest) = 32),
        api_key_id     INTEGER NOT NULL,
        created_at     INTEGER NOT NULL,
        PRIMARY KEY (caller_key_id, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX idempotent_requests_by_age ON idempotent_requests (created_at);",
    // 3: rate limits and allowed addresses of keys, former values.
    "ALTER TABLE api_keys ADD COLUMN rate_limit INTEGER;
    ALTER TABLE api_keys ADD COLUMN rate_window_s INTEGER;
    ALTER TABLE api_keys ADD COLUMN allowed_addresses TEXT;
    CREATE TABLE former_values (
        key_id INTEGER NOT NULL,
        number INTEGER NOT NULL,
        digest BLOB    NOT NULL CHECK (length(digest) = 32),
        PRIMARY KEY (key_id, number)
    ) STRICT, WITHOUT ROWID;",
    // 4: the audit log.
    "CREATE TABLE audit_events (
        number          INTEGER PRIMARY KEY,
        at              INTEGER NOT NULL,
        organization_id INTEGER,
        project_id      INTEGER,
        actor_key_id    INTEGER,
        actor_name      TEXT    NOT NULL,
        action          TEXT    NOT NULL,
        resource        TEXT    NOT NULL,
        change          TEXT    NOT NULL,
        client_address  TEXT,
        user_agent      TEXT,
        request_id      TEXT,
        hash            BLOB    NOT NULL CHECK (length(hash) = 32)
    ) STRICT;",
    // 5: imports: keys of other forms, and SHA-256 digests.
    "ALTER TABLE api_keys ADD COLUMN digest_algorithm INTEGER NOT NULL DEFAULT 0 CHECK (digest_algorithm IN (0, 1));
    ALTER TABLE former_values ADD COLUMN digest_algorithm INTEGER NOT NULL DEFAULT 0 CHECK (digest_algorithm IN (0, 1));
    CREATE TABLE imported_forms (
        id           INTEGER PRIMARY KEY CHECK (id = 1),
        has_foreign  INTEGER NOT NULL CHECK (has_foreign IN (0, 1)),
        has_sha256   INTEGER NOT NULL CHECK (has_sha256 IN (0, 1))
    ) STRICT;
    INSERT INTO imported_forms (id, has_foreign, has_sha256) VALUES (1, 0, 0);",
    // 6: the ledger's last commit, ended values, imports in bounded transactions, an index over organizations' events.
    "CREATE TABLE ledger_mark (
        id         INTEGER PRIMARY KEY CHECK (id = 1),
        number     INTEGER NOT NULL,
        event      INTEGER NOT NULL,
        event_hash BLOB    NOT NULL CHECK (length(event_hash) = 16)
    ) STRICT;
    INSERT INTO ledger_mark (id, number, event, event_hash) VALUES (1, 0, 0, zeroblob(16));
    CREATE TABLE skipped_numbers (
        first INTEGER PRIMARY KEY,
        last  INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE ended_values (
        digest    BLOB    NOT NULL CHECK (length(digest) = 32),
        algorithm INTEGER NOT NULL CHECK (algorithm IN (0, 1)),
        PRIMARY KEY (digest, algorithm)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO ended_values (digest, algorithm) SELECT digest, digest_algorithm FROM former_values;
    CREATE TABLE imports (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        token BLOB NOT NULL CHECK (length(token) = 16),
        first_id INTEGER NOT NULL,
        last_id INTEGER NOT NULL,
        stored INTEGER NOT NULL,
        stored_place INTEGER NOT NULL,
        indexed INTEGER NOT NULL,
        indexed_prefix INTEGER NOT NULL,
        indexed_place INTEGER NOT NULL,
        stage INTEGER NOT NULL CHECK (stage IN (0, 1, 2, 3))
    ) STRICT;
    CREATE INDEX audit_events_by_organization ON audit_events (organization_id);",
    // 7: new and former values and last uses in one table.
    "CREATE TABLE key_values (
        key_id INTEGER NOT NULL,
        kind   INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),
        number INTEGER NOT NULL,
        digest BLOB    CHECK (length(digest) = 32),
        digest_algorithm INTEGER NOT NULL DEFAULT 0 CHECK (digest_algorithm BETWEEN 0 AND 1),
        tail   TEXT    CHECK (length(tail) = 6),
        last_used_at INTEGER,
        PRIMARY KEY (key_id, kind, number)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO key_values (key_id, kind, number, last_used_at)
        SELECT key_id, 0, 0, last_used_at FROM api_key_value_uses WHERE is_shadow = 0;
    INSERT INTO key_values (key_id, kind, number, digest, tail, last_used_at)
        SELECT k.id, 1, 0, k.shadow_digest, k.shadow_tail, s.last_used_at FROM api_keys k
        LEFT JOIN api_key_value_uses s ON s.key_id = k.id AND s.is_shadow = 1 WHERE k.rotates_at IS NOT NULL;
    INSERT INTO key_values (key_id, kind, number, digest, digest_algorithm)
        SELECT key_id, 2, number, digest, digest_algorithm FROM former_values;
    DROP TABLE api_key_value_uses;
    DROP TABLE former_values;
    ALTER TABLE api_keys DROP COLUMN shadow_digest;
    ALTER TABLE api_keys DROP COLUMN shadow_tail;",
    // 8: roles, permissions, owners and metadata of keys, and usage.
    "ALTER TABLE api_keys ADD COLUMN role INTEGER CHECK (role BETWEEN 0 AND 4);
    ALTER TABLE api_keys ADD COLUMN permissions TEXT;
    ALTER TABLE api_keys ADD COLUMN owner TEXT;
    ALTER TABLE api_keys ADD COLUMN metadata TEXT;
    CREATE INDEX api_keys_by_owner ON api_keys (organization_id, project_id, owner) WHERE owner IS NOT NULL;
    CREATE TABLE usage (
        hour            INTEGER NOT NULL,
        organization_id INTEGER NOT NULL,
        key_id          INTEGER NOT NULL,
        outcome         INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 6),
        count           INTEGER NOT NULL,
        PRIMARY KEY (hour, organization_id, key_id, outcome)
    ) STRICT, WITHOUT ROWID;",
];

/// Migrates an open store to [`VERSION`], in the caller's transaction; version 0 is an empty file.
pub(super) fn migrate(connection: &Connection, from: u32) -> rusqlite::Result<()> {
    if from == 0 {
        return connection.execute_batch(SCHEMA);
    }
    for (_, step) in (1..).zip(STEPS).filter(|(version, _)| *version >= from) {
        connection.execute_batch(step)?;
    }
    connection.pragma_update(None, "user_version", VERSION)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The schema of each released version, frozen at its release.
    const RELEASED: &[&str] = &[
        include_str!("schemas/1.sql"),
        include_str!("schemas/2.sql"),
        include_str!("schemas/3.sql"),
        include_str!("schemas/4.sql"),
        include_str!("schemas/5.sql"),
        include_str!("schemas/6.sql"),
        include_str!("schemas/7.sql"),
        include_str!("schemas/8.sql"),
    ];

    /// The schema without comments and white space.
    fn shape(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").unwrap();
        let objects = statement.query_map([], |row| {
            let sql: Option<String> = row.get(2)?;
            let sql = sql.unwrap_or_default();
            let code = sql.lines().filter_map(|line| line.split("--").next()).collect::<Vec<_>>().join(" ");
            let code = code
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace(" ,", ",")
                .replace(" )", ")")
                .replace("( ", "(");
            Ok(format!("{} {} {code}", row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        let mut shape: Vec<String> = objects.unwrap().map(Result::unwrap).collect();
        for pragma in ["application_id", "user_version"] {
            let value: i64 = connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
            shape.push(format!("{pragma} {value}"));
        }
        shape
    }

    fn fresh() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, 0).unwrap();
        connection
    }

    #[test]
    fn a_fresh_store_equals_one_migrated_from_any_version() {
        assert_eq!(RELEASED.len(), VERSION as usize, "freeze schema.sql as schemas/{VERSION}.sql");
        for (version, schema) in (1..).zip(RELEASED) {
            let old = Connection::open_in_memory().unwrap();
            old.execute_batch(schema).unwrap();
            migrate(&old, version).unwrap();
            assert_eq!(shape(&old), shape(&fresh()), "from version {version}");
        }
    }

    #[test]
    fn every_table_and_column_of_the_schema_has_a_comment() {
        let mut before = "";
        for line in SCHEMA.lines() {
            let code = line.trim();
            if code.starts_with("CREATE TABLE") || code.starts_with("CREATE INDEX") {
                assert!(before.starts_with("--"), "{line}");
            }
            let is_column =
                line.starts_with("    ") && !code.starts_with("PRIMARY KEY (") && !code.starts_with("UNIQUE (");
            assert!(!is_column || code.contains("-- "), "{line}");
            before = line;
        }
    }
}
