//! The system clocks and random bytes. No other file reads them.

use crate::domain::{Error, Result, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock. A clock set before 1970 reads as the epoch.
#[expect(clippy::disallowed_methods, reason = "time enters the program here, and is an argument everywhere else")]
pub(in crate::cli) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = i64::try_from(since_epoch.as_millis()).unwrap_or_default();
    Timestamp::from_unix_ms(ms).unwrap_or_default()
}

/// The monotonic clock, for durations.
#[expect(clippy::disallowed_methods, reason = "time enters the program here, and is an argument everywhere else")]
pub(in crate::cli) fn monotonic() -> Instant {
    Instant::now()
}

/// The time since boot, suspension included. It cannot be set, and it goes on while this process is stopped.
#[expect(clippy::disallowed_methods, reason = "time enters the program here, and is an argument everywhere else")]
pub(in crate::cli) fn uptime() -> Duration {
    // Linux's monotonic clock stops during suspension; the ones of other systems do not.
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default()
}

/// Random bytes from the operating system.
#[expect(clippy::disallowed_methods, reason = "randomness enters the program here, and is an argument everywhere else")]
pub(in crate::cli) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::Internal(format!("the operating system provides no random bytes: {e}")))?;
    Ok(bytes)
}
