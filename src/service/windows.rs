//! How often keys were used: counted in memory, in windows that begin with the first use in them. A restart begins anew.

use crate::domain::{KeyId, Quota, RateLimit, Refusal, Timestamp};
use std::sync::{Mutex, PoisonError};

/// The window that a key is in.
#[derive(Debug, Default)]
pub(super) struct Window(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    began: Timestamp,
    uses: u32,
}

impl Window {
    /// Counts a use, and says how many are left.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] where none is left; this one is not counted.
    pub(super) fn take(&self, key: KeyId, rate_limit: RateLimit, now: Timestamp) -> Result<Quota, Refusal> {
        let window_ms = i64::from(rate_limit.window_s()) * 1000;
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back begins a window, too: nobody waits for longer than one.
        if !(0..window_ms).contains(&(now.unix_ms() - count.began.unix_ms())) {
            *count = Count { began: now, uses: 0 };
        }
        let left_ms = count.began.unix_ms() + window_ms - now.unix_ms();
        let reset_s = u32::try_from((left_ms + 999) / 1000).unwrap_or(rate_limit.window_s());
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
    fn a_window_has_its_uses_and_no_more_and_ends_to_the_millisecond() {
        let (window, limit) = (Window::default(), RateLimit::new(2, 10).unwrap());
        let key = KeyId::new(7).unwrap();
        let take = |ms: i64| window.take(key, limit, Timestamp::from_unix_ms(1_700_000_000_000 + ms).unwrap());
        let quota = |remaining, reset_s| Quota { key, rate_limit: limit, remaining, reset_s };
        assert_eq!(take(0), Ok(quota(1, 10)));
        assert_eq!(take(4_500), Ok(quota(0, 6)));
        assert_eq!(take(9_999), Err(Refusal::RateLimited(quota(0, 1))));
        assert_eq!(take(10_000), Ok(quota(1, 10)));
        assert_eq!(take(-1), Ok(quota(1, 10)), "a clock that was set back");
    }
}
