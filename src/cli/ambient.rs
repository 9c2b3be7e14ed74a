//! The clock and the randomness of the machine: the only place that asks for them.

use crate::domain::{Error, Result, Timestamp};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The machine's time; the epoch where its clock is set to before 1970.
#[expect(clippy::disallowed_methods, reason = "time enters the program here, and is an argument everywhere else")]
pub(super) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = i64::try_from(since_epoch.as_millis()).unwrap_or_default();
    Timestamp::from_unix_ms(ms).unwrap_or_default()
}

/// The machine's clock for durations: it never goes back.
#[expect(clippy::disallowed_methods, reason = "time enters the program here, and is an argument everywhere else")]
pub(super) fn monotonic() -> Instant {
    Instant::now()
}

/// Bytes from the operating system's generator.
#[expect(clippy::disallowed_methods, reason = "randomness enters the program here, and is an argument everywhere else")]
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::Internal(format!("the operating system gives no random bytes: {e}")))?;
    Ok(bytes)
}
