//! Rate limits of keys, counted in memory. A window starts with its first use. A restart resets all windows;
//! setting the wall clock does not, since windows use the monotonic clock.

use crate::domain::{KeyId, Quota, RateLimit, Refusal};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The current window of a key.
#[derive(Debug, Default)]
pub(super) struct Window(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    /// Uptime at the start of the window; irrelevant while there are no uses.
    began: Duration,
    uses: u32,
}

impl Window {
    /// Counts a use and returns the remaining quota.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] if no use is left; this one is then not counted.
    pub(super) fn take(&self, key: KeyId, rate_limit: RateLimit, uptime: Duration) -> Result<Quota, Refusal> {
        let window = Duration::from_secs(rate_limit.window_s().into());
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if count.uses == 0 || uptime.saturating_sub(count.began) >= window {
            *count = Count { began: uptime, uses: 0 };
        }
        let left_ms = window.saturating_sub(uptime.saturating_sub(count.began)).as_millis();
        let reset_s = u32::try_from(left_ms.div_ceil(1000)).unwrap_or(rate_limit.window_s());
        let quota = |remaining| Quota { key, rate_limit, remaining, reset_s };
        if count.uses >= rate_limit.limit() {
            return Err(Refusal::RateLimited(quota(0)));
        }
        count.uses += 1;
        Ok(quota(rate_limit.limit() - count.uses))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_window_allows_its_uses_and_ends_to_the_millisecond() {
        let (window, limit) = (Window::default(), RateLimit::new(2, 10).unwrap());
        let key = KeyId::new(7).unwrap();
        let take = |ms: u64| window.take(key, limit, Duration::from_millis(5_000 + ms));
        let quota = |remaining, reset_s| Quota { key, rate_limit: limit, remaining, reset_s };
        assert_eq!(take(0), Ok(quota(1, 10)));
        assert_eq!(take(4_500), Ok(quota(0, 6)));
        assert_eq!(take(9_999), Err(Refusal::RateLimited(quota(0, 1))));
        assert_eq!(take(10_000), Ok(quota(1, 10)));
    }
}
