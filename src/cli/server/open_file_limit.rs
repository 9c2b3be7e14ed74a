//! Raises the process's limit of open files to what the connections need.

use log::Level;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files besides connections: the store, the log and the listeners, with a reserve.
const RESERVED_FILES: u64 = 200;

/// Raises the soft limit of open files to the hard limit, since shells and service managers start programs with 1,024. Returns how
/// many connections fit, `wanted` at most; further connections wait to be accepted.
///
/// Logs a warning if fewer fit and the number was set explicitly.
pub(in crate::cli) fn raise(wanted: usize, is_explicit: bool) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        log::warn!("the limit of open files could not be raised: {error}");
    }
    let Some(files) = getrlimit(Resource::Nofile).current else { return wanted };
    let room = usize::try_from(files - RESERVED_FILES.min(files / 2)).unwrap_or(usize::MAX);
    if room < wanted {
        let level = if is_explicit { Level::Warn } else { Level::Debug };
        log::log!(
            level,
            "server.max_connections is {wanted}, but only {files} files may be open: {room} connections are accepted at a time. \
            Raise the limit (ulimit -Hn, LimitNOFILE=), or lower the setting"
        );
    }
    wanted.min(room)
}
