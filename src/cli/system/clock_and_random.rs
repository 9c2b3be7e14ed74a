//! The clock and the randomness of the machine: the only place that asks for them.

use crate::domain::{Error, Result, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The machine's time; the epoch where its clock is set to before 1970.
#[expect(clippy::disallowed_methods, reason = "time enters the program here, and is an argument everywhere else")]
pub(in crate::cli) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = i64::try_from(since_epoch.as_millis()).unwrap_or_default();
    Timestamp::from_unix_ms(ms).unwrap_or_default()
}

/// The machine's clock for durations: it never goes back.
#[expect(clippy::disallowed_methods, reason = "time enters the program here, and is an argument everywhere else")]
pub(in crate::cli) fn monotonic() -> Instant {
    Instant::now()
}

/// How long the machine has been up, suspended or not: a clock that goes on while this process is stopped and cannot be set.
#[expect(clippy::disallowed_methods, reason = "time enters the program here, and is an argument everywhere else")]
pub(in crate::cli) fn uptime() -> Duration {
    // What counts a suspension, too: elsewhere the monotonic clock does.
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default()
}

/// Bytes from the operating system's generator.
#[expect(clippy::disallowed_methods, reason = "randomness enters the program here, and is an argument everywhere else")]
pub(in crate::cli) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::Internal(format!("the operating system gives no random bytes: {e}")))?;
    Ok(bytes)
}
