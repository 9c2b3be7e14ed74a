//! Warns if the machine's clock is wrong or jumps, since keys expire by it.

use crate::cli::system::clock_and_random;
use crate::domain::Timestamp;
use crate::service::Service;
use std::sync::Arc;
use std::time::Duration;

/// How often the wall clock is compared with the monotonic one.
const COMPARE_INTERVAL: Duration = Duration::from_secs(5);
/// Smaller differences are not logged, in milliseconds.
const TOLERANCE_MS: i64 = 5_000;
/// The newest event may be this far in the future, in milliseconds: the clocks of machines that share a store differ a little.
const AHEAD_MS: i64 = 60_000;

/// Compares the clock with the newest event once, and then with the monotonic clock. Never returns.
pub(in crate::cli) async fn watch(service: Arc<Service>) {
    let now = clock_and_random::now();
    match service.newest_event_at().await {
        Ok(Some(newest)) if newest.unix_ms() > now.unix_ms() + AHEAD_MS => log::warn!(
            "this machine's clock says {now}, but the newest event is from {newest}, which is in the future: one of the two is \
            wrong, and keys expire by this clock"
        ),
        Ok(_) => {}
        Err(error) => log::warn!("the clock could not be compared with the newest event: {error}"),
    }
    let (mut wall, mut steady) = (clock_and_random::now(), clock_and_random::monotonic());
    loop {
        tokio::time::sleep(COMPARE_INTERVAL).await;
        let (now, later) = (clock_and_random::now(), clock_and_random::monotonic());
        if let Some(jump_ms) = jump_ms(wall, now, later.saturating_duration_since(steady)) {
            log::warn!(
                "the clock went {} seconds {} than expected (it was set, or the machine was suspended): it is {now} now, and \
                keys expire by it",
                jump_ms.abs() / 1000,
                if jump_ms > 0 { "further" } else { "less far" }
            );
        }
        (wall, steady) = (now, later);
    }
}

/// How far the clock jumped against the elapsed time, in milliseconds; `None` within the tolerance.
fn jump_ms(before: Timestamp, after: Timestamp, passed: Duration) -> Option<i64> {
    let passed_ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
    let jump_ms = (after.unix_ms() - before.unix_ms()).saturating_sub(passed_ms);
    (jump_ms.abs() > TOLERANCE_MS).then_some(jump_ms)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_has_jumped_and_one_that_drifts_has_not() {
        let at = |ms: i64| Timestamp::from_unix_ms(1_700_000_000_000 + ms).unwrap();
        let passed = Duration::from_secs(5);
        for (after, jump) in
            [(5_000, None), (5_900, None), (0, None), (3_605_000, Some(3_600_000)), (-60_000, Some(-65_000))]
        {
            assert_eq!(jump_ms(at(0), at(after), passed), jump, "{after}");
        }
    }
}
