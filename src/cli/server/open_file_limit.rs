//! As many open files as connections need.

use log::Level;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the store, the log and the listeners take besides connections, amply.
const OTHERS: u64 = 200;

/// Raises the number of files that the process may have open as far as it may by itself: shells and service managers begin
/// with 1,024 for the sake of programs that cannot use more. Gives how many connections there is room for, `wanted` at the
/// most: more are left waiting, since accepting them would fail.
///
/// That there is room for fewer is a warning where somebody chose the number; the default one takes what there is.
pub(in crate::cli) fn raise(wanted: usize, is_chosen: bool) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        log::warn!("the number of open files could not be raised: {error}");
    }
    let Some(files) = getrlimit(Resource::Nofile).current else { return wanted };
    let room = usize::try_from(files - OTHERS.min(files / 2)).unwrap_or(usize::MAX);
    if room < wanted {
        let level = if is_chosen { Level::Warn } else { Level::Debug };
        log::log!(
            level,
            "server.max_connections is {wanted}, but {files} files may be open at once: {room} connections are taken at a time. \
             Raise the limit (ulimit -Hn, LimitNOFILE=), or lower the setting"
        );
    }
    wanted.min(room)
}
