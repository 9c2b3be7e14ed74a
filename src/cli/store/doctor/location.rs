//! The location of the store: its file system, and other stores in its folder.

use super::Check;
use crate::cli::store::store_folder;
use rustix::fs::statfs;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Network file systems and those of user-space processes, by their statfs(2) type.
const REMOTE: [(u64, &str); 14] = [
    (0x0000_6969, "NFS"),
    (0x0000_517B, "SMB"),
    (0xFE53_4D42, "SMB"),
    (0xFF53_4D42, "SMB"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x6573_5546, "FUSE"),
    (0x786F_4256, "a VirtualBox shared folder"),
    (0xBACB_ACBC, "a VMware shared folder"),
];
/// The statfs(2) type of overlay file systems, which containers use.
const OVERLAY: u64 = 0x794C_7630;

/// The header of an SQLite file (<https://sqlite.org/fileformat2.html>, section 1.3).
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

/// Checks the location.
pub(super) fn check(store: &Path, ledger: &Path) -> Vec<Check> {
    let number = statfs(store_folder::of_store(store)).ok().and_then(|status| u64::try_from(status.f_type).ok());
    let mut checks: Vec<Check> = number.and_then(judge_file_system).into_iter().collect();
    checks.extend(shared_ledger(store, ledger));
    checks.extend(foreign_ledger(store, ledger));
    checks
}

fn judge_file_system(number: u64) -> Option<Check> {
    if number == OVERLAY {
        let finding = "The store is in the container's own layer (overlay): it is deleted with the container.";
        return Some(Check::warning("file system", finding, "Put it on a volume."));
    }
    let (_, name) = REMOTE.iter().find(|(known, _)| *known == number)?;
    let finding =
        format!("The store is on {name}, where locks and shared memory are not reliable: the store may get damaged.");
    Some(Check::warning("file system", finding, "Put it on a disk of this machine."))
}

/// Two stores such as `keystead.db` and `keystead` would share one ledger.
fn shared_ledger(store: &Path, ledger: &Path) -> Option<Check> {
    let with_extension = ledger.with_extension("db");
    let without = ledger.with_extension("");
    let other = [with_extension, without].into_iter().find(|other| other != store && is_sqlite(other))?;
    let finding = format!("{} would use the same ledger of revocations, {}.", other.display(), ledger.display());
    Some(Check::problem("ledger", finding, "Give each of the two a folder of its own."))
}

fn is_sqlite(file: &Path) -> bool {
    let mut begin = [0; SQLITE.len()];
    File::open(file).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == *SQLITE
}

/// The ledger of another store, or of this one under an earlier name.
fn foreign_ledger(store: &Path, ledger: &Path) -> Option<Check> {
    let entries = fs::read_dir(store_folder::of_store(store)).ok()?;
    let mut others: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    others.retain(|path| path.extension().is_some_and(|it| it == "revoked") && path.file_name() != ledger.file_name());
    let other = others.into_iter().min()?;
    let finding = format!("The folder holds another ledger of revocations, too: {}.", other.display());
    let advice = format!(
        "Give each store a folder of its own. If the ledger is this store's, from before the store was renamed, stop the server and \
        rename it to {}: without it, an older backup makes revoked keys valid again.",
        ledger.display()
    );
    Some(Check::warning("ledger", finding, advice))
}

#[cfg(test)]
mod tests {
    use super::judge_file_system;

    #[test]
    fn remote_and_overlay_file_systems_get_a_warning_and_local_disks_none() {
        for number in [0x6969, 0xFE53_4D42, 0x6573_5546, 0x794C_7630] {
            assert!(judge_file_system(number).is_some(), "{number:x}");
        }
        // ext4, XFS, Btrfs, ZFS, tmpfs.
        for number in [0xEF53, 0x5846_5342, 0x9123_683E, 0x2FC1_2FC1, 0x0102_1994] {
            assert!(judge_file_system(number).is_none(), "{number:x}");
        }
    }
}
