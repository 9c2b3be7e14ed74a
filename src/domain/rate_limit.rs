//! Rate limits: how often a key may be used.

use super::KeyId;

/// A number of uses per window. A window starts with its first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    limit: u32,
    window_s: u32,
}

impl RateLimit {
    /// Maximum number of uses per window.
    pub const MAX_LIMIT: u32 = 1_000_000;
    /// Maximum window: a day, in seconds.
    pub const MAX_WINDOW_S: u32 = 86_400;

    /// `limit` uses (1 to a million) in `window_s` seconds (1 to a day); `None` if a number is out of range.
    pub fn new(limit: u32, window_s: u32) -> Option<Self> {
        let is_allowed = (1..=Self::MAX_LIMIT).contains(&limit) && (1..=Self::MAX_WINDOW_S).contains(&window_s);
        is_allowed.then_some(Self { limit, window_s })
    }

    /// Uses per window.
    pub fn limit(self) -> u32 {
        self.limit
    }

    /// Length of the window in seconds.
    pub fn window_s(self) -> u32 {
        self.window_s
    }
}

/// The remaining part of a key's [`RateLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The key.
    pub key: KeyId,
    /// Its limit.
    pub rate_limit: RateLimit,
    /// Uses left in the window.
    pub remaining: u32,
    /// Seconds until the window ends, rounded up.
    pub reset_s: u32,
}
