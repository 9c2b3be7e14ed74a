//! Requests that are sent twice and done once.

use crate::domain::{ApiKey, Error, KeyId, Parent, Result, Secret, Timestamp};
use crate::store::{IdempotentRequest, Writes};

/// For how long a request is remembered: a day.
const KEPT_MS: i64 = 24 * 3_600_000;
/// How many older requests each new one has forgotten: more than one, so that they become fewer, and few, so that no change
/// waits for a day's requests.
const FORGOTTEN: u32 = 16;

/// What a caller says about a request that it may send again.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Its name for the request: a hash of the `Idempotency-Key`, since somebody may have put a key there.
    pub name: String,
    /// What it asks, hashed: a request of the same name must be the same request.
    pub request: [u8; 32],
}

/// What was made or rotated.
#[derive(Debug)]
pub struct IssuedKey {
    /// The key as it is now.
    pub key: ApiKey,
    /// The full new value; `None` where the caller brought it, or where this only repeats an earlier answer.
    pub secret: Option<Secret>,
    /// Whether nothing was done because the same request had been done before.
    pub is_repeated: bool,
}

/// A piece of work that is done at most once where its caller wants that.
pub(super) struct Once {
    caller: Option<KeyId>,
    idempotency: Option<Idempotency>,
    now: Timestamp,
}

impl Once {
    pub(super) fn new(caller: Option<KeyId>, idempotency: Option<Idempotency>, now: Timestamp) -> Self {
        Self { caller, idempotency, now }
    }

    /// Does the work, or finds what it made the first time.
    pub(super) fn run(
        self,
        writes: &mut dyn Writes,
        parent: Parent,
        secret: Option<Secret>,
        work: impl FnOnce(&mut dyn Writes) -> Result<ApiKey>,
    ) -> Result<IssuedKey> {
        let (Some(caller), Some(Idempotency { name, request })) = (self.caller, self.idempotency) else {
            return Ok(IssuedKey { key: work(writes)?, secret, is_repeated: false });
        };
        let oldest = Timestamp::from_unix_ms(self.now.unix_ms() - KEPT_MS).unwrap_or_default();
        writes.forget_idempotent_requests(oldest, FORGOTTEN)?;
        let earlier = writes.idempotent_request(caller, &name)?;
        if let Some(earlier) = earlier.filter(|earlier| earlier.created_at >= oldest) {
            if earlier.digest != request {
                return Err(Error::IdempotencyKeyReused);
            }
            let key = writes.api_key(parent, earlier.api_key)?.ok_or(Error::NotFound("API key"))?;
            return Ok(IssuedKey { key, secret: None, is_repeated: true });
        }
        let key = work(writes)?;
        writes.insert_idempotent_request(&IdempotentRequest {
            caller,
            name,
            digest: request,
            api_key: key.id,
            created_at: self.now,
        })?;
        Ok(IssuedKey { key, secret, is_repeated: false })
    }
}
