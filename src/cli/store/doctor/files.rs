//! Permissions of the store's files and folder, free disk space, and the size of the write-ahead log.

use super::Check;
use crate::cli::server::certificate_files::is_open;
use crate::cli::store::store_folder;
use crate::config::Config;
use crate::service::size;
use indicatif::HumanBytes;
use rustix::fs::{Access, StatVfs, access, statvfs};
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;
/// With less free space, any commit may fail, in bytes.
const NO_ROOM: u64 = 16 * MIB;
/// With less free space, `doctor` warns, in bytes.
const LITTLE_ROOM: u64 = 256 * MIB;
/// A smaller write-ahead log is normal, in bytes: it is checkpointed at some 4 MiB.
const LARGE_LOG: u64 = 16 * MIB;

fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

/// Checks who can read, write and replace the store's files.
pub(super) fn permissions(store: &Path, ledger: PathBuf) -> Vec<Check> {
    let mut checks = folder_permissions(store_folder::of_store(store));
    let owner = fs::metadata(store).ok().map(|metadata| metadata.uid());
    let of_store = [store.to_owned(), beside(store, "-wal"), beside(store, "-shm")].map(|file| (file, true));
    // Who writes the ledger controls which keys are valid, and who opens the lock can block the start of a server.
    for (file, is_of_store) in of_store.into_iter().chain([ledger, beside(store, "-lock")].map(|file| (file, false))) {
        let Ok(metadata) = fs::metadata(&file) else { continue };
        let (name, mode, uid) = (file.display(), mode(&metadata), metadata.uid());
        if mode & 0o077 != 0 {
            let by_itself = if is_of_store { "; the server does so when it starts" } else { "" };
            let advice = format!("chmod 600 {name}{by_itself}.");
            checks.push(Check::warning("permissions", format!("{name} is open to others (mode {mode:o})."), advice));
        }
        if access(&file, Access::READ_OK | Access::WRITE_OK).is_err() {
            let advice = "Run keystead as the user that the server runs as, or give that user the file with chown.";
            checks.push(Check::problem("permissions", format!("You cannot read and write {name}."), advice));
        }
        if owner.is_some_and(|owner| owner != uid) {
            let advice = "Stop every process that uses the store, and give both to the same user with chown.";
            let finding = format!("{name} belongs to another user (number {uid}) than the store.");
            checks.push(Check::problem("permissions", finding, advice));
        }
    }
    let first_key = store.with_file_name(crate::cli::server::serve::FIRST_KEY_FILE);
    if first_key.exists() {
        let finding = format!("The first key is still in the file {}.", first_key.display());
        let advice = "Keep the key in a safe place and delete the file.";
        checks.push(Check::warning("permissions", finding, advice));
    }
    if checks.is_empty() {
        checks.push(Check::ok("permissions", "Only you can change the store and its folder."));
    }
    checks
}

/// Checks who can read the private keys that the settings name.
pub(super) fn secrets(config: &Config) -> Vec<Check> {
    let secrets = [("tls.key", &config.tls.key), ("audit.signing_key", &config.audit.signing_key)];
    let open = secrets.into_iter().filter(|(_, file)| is_open(file));
    let warn = |(setting, file): (&str, &PathBuf)| {
        let file = file.display();
        let finding = format!("Every user of this machine can read {file} ({setting}).");
        Check::warning(
            "permissions",
            finding,
            format!("chmod o-r {file}, and create a new key if others may have read it."),
        )
    };
    open.map(warn).collect()
}

fn folder_permissions(folder: &Path) -> Vec<Check> {
    let name = folder.display();
    let Ok(metadata) = fs::metadata(folder) else {
        return vec![Check::problem("permissions", store_folder::missing(folder), store_folder::MKDIR_ADVICE)];
    };
    let mut checks = Vec::new();
    if access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let finding =
            format!("You cannot create files in the folder {name}, which also holds the store's write-ahead log.");
        let advice = "Run keystead as the user that the server runs as, or give that user the folder with chown.";
        checks.push(Check::problem("permissions", finding, advice));
    }
    let (mode, finding) = (mode(&metadata), |who: &str| format!("{who} can create files in the folder {name}."));
    match (mode & 0o002 != 0, mode & 0o1000 != 0) {
        (true, false) => {
            let advice = format!("chmod o-w {name}: otherwise every user can replace your store with another one.");
            checks.push(Check::problem("permissions", finding("Every user"), advice));
        }
        (true, true) => {
            let advice = "Keep the store in a folder that only the server can change.";
            checks.push(Check::warning("permissions", finding("Every user"), advice));
        }
        (false, _) if mode & 0o020 != 0 => {
            let advice = format!("chmod g-w {name}, unless the whole group may replace your store with another one.");
            checks.push(Check::warning("permissions", finding("The folder's whole group"), advice));
        }
        (false, _) => {}
    }
    checks
}

/// Checks whether the server can create backups; `None` if none are configured.
pub(super) fn backups(config: &Config) -> Option<Check> {
    let folder = Some(&config.backup.folder).filter(|folder| !folder.as_os_str().is_empty())?;
    let name = folder.display();
    Some(if !folder.is_dir() {
        Check::problem(
            "backups",
            format!("{name} (backup.folder) is not a folder, so no backups are made."),
            store_folder::MKDIR_ADVICE,
        )
    } else if access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let finding = format!("You cannot create files in the folder {name} (backup.folder).");
        let advice = "Run keystead as the user that the server runs as, or give that user the folder with chown.";
        Check::problem("backups", finding, advice)
    } else {
        Check::ok("backups", format!("The server can create them in {name}."))
    })
}

/// Checks the free disk space.
pub(super) fn disk_space(store: &Path) -> Option<Check> {
    let StatVfs { f_bavail, f_frsize, f_files, f_favail, .. } = statvfs(store_folder::of_store(store)).ok()?;
    let size = size(store).map_or(0, |size| size.main);
    // File systems without a fixed number of inodes report 0.
    Some(judge_room(f_bavail.saturating_mul(f_frsize), f_files == 0 || f_favail > 0, size))
}

fn judge_room(available: u64, has_file_left: bool, size: u64) -> Check {
    let left = format!("{} are free.", HumanBytes(available));
    if !has_file_left {
        let finding = "The disk has free space, but no free inodes: no more files fit.";
        return Check::problem(
            "disk space",
            finding,
            "Delete some files: a store that cannot be written refuses every change.",
        );
    }
    match available {
        ..NO_ROOM => {
            Check::problem("disk space", left, "Free some space: a store that cannot be written refuses every change.")
        }
        NO_ROOM..LITTLE_ROOM => Check::warning("disk space", left, "Free some space before it runs out."),
        _ if available < size => Check::warning("disk space", left, "A backup beside the store would not fit."),
        _ => Check::ok("disk space", left),
    }
}

/// Checks the write-ahead log. `waiting`: its bytes that are not checkpointed yet, if a process has the store open.
pub(super) fn write_ahead_log(store: &Path, waiting: Option<u64>) -> Option<Check> {
    let size = size(store).ok()?;
    let log = HumanBytes(waiting.unwrap_or(size.wal));
    Some(match (size.wal, waiting) {
        (0, None) => Check::ok("write-ahead log", "No process has the store open, and all data is in its file."),
        (_, None) => {
            let finding = format!("A server ended without checkpointing {log} of the write-ahead log into the store.");
            let advice = format!("Never delete {}-wal: start the server, which does the checkpoint.", store.display());
            Check::warning("write-ahead log", finding, advice)
        }
        (_, Some(waiting)) if waiting > size.main && waiting > LARGE_LOG => {
            let finding = format!("{log} of the write-ahead log, more than the store itself, cannot be checkpointed.");
            let advice = "A process has been reading the store for a long time: end it, or restart the server.";
            Check::warning("write-ahead log", finding, advice)
        }
        (_, Some(0)) => Check::ok("write-ahead log", "The store is open, and all data is in its file."),
        (_, Some(_)) => {
            Check::ok("write-ahead log", format!("The store is open, and {log} wait for the next checkpoint."))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::CheckState;
    use super::*;

    #[test]
    fn little_free_space_is_a_warning_and_almost_none_a_problem() {
        let state = |available, has_file_left, size| judge_room(available, has_file_left, size).state;
        assert_eq!(state(NO_ROOM - 1, true, 0), CheckState::Problem);
        assert_eq!(state(NO_ROOM, true, 0), CheckState::Warning);
        assert_eq!(state(LITTLE_ROOM - 1, true, 0), CheckState::Warning);
        assert_eq!(state(LITTLE_ROOM, true, 0), CheckState::Ok);
        assert_eq!(state(LITTLE_ROOM, true, LITTLE_ROOM + 1), CheckState::Warning);
        assert_eq!(state(LITTLE_ROOM, false, 0), CheckState::Problem);
    }
}
