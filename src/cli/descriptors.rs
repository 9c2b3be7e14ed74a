//! As many open files as connections need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the store, the log and the listeners take besides connections, amply.
const OTHERS: u64 = 200;

/// Raises the number of files that the process may have open as far as it may by itself: shells and service managers begin
/// with 1,024 for the sake of programs that cannot use more.
pub(super) fn raise(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        log::warn!("the number of open files could not be raised: {error}");
    }
    let wanted = connections as u64 + OTHERS;
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < wanted) {
        log::warn!(
            "{limit} files may be open at once, and server.max_connections wants {wanted}: raise the limit (ulimit -Hn, \
             LimitNOFILE=), or lower the setting"
        );
    }
}
