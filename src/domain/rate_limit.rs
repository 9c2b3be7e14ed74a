//! Rate limits: how often a key may be used.

use super::KeyId;

/// How often a key may be used: so many times in a window, which begins with the first use in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    limit: u32,
    window_s: u32,
}

impl RateLimit {
    /// The most uses in a window.
    pub const MAX_LIMIT: u32 = 1_000_000;
    /// The longest window: a day, in seconds.
    pub const MAX_WINDOW_S: u32 = 86_400;

    /// `limit` uses, 1 to a million, in `window_s` seconds, 1 to a day's; `None` where a number is not allowed.
    pub fn new(limit: u32, window_s: u32) -> Option<Self> {
        let is_allowed = (1..=Self::MAX_LIMIT).contains(&limit) && (1..=Self::MAX_WINDOW_S).contains(&window_s);
        is_allowed.then_some(Self { limit, window_s })
    }

    /// How many uses a window has.
    pub fn limit(self) -> u32 {
        self.limit
    }

    /// How long a window is, in seconds.
    pub fn window_s(self) -> u32 {
        self.window_s
    }
}

/// What is left of a key's [`RateLimit`] for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The key.
    pub key: KeyId,
    /// Its limit.
    pub rate_limit: RateLimit,
    /// How many more uses the window has.
    pub remaining: u32,
    /// In how many seconds the window ends, rounded up.
    pub reset_s: u32,
}
