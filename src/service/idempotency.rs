//! Idempotency keys: a repeated request is executed once.

use crate::domain::{ApiKey, Error, KeyId, Parent, Result, Secret, Timestamp};
use crate::store::{IdempotentRequest, Writes};

/// Lifetime of an idempotency key: a day.
const KEPT_MS: i64 = 24 * 3_600_000;
/// Expired entries deleted with each new one: more than one, so their number falls; few, so no write takes
/// long.
const FORGOTTEN: u32 = 16;

/// A caller's idempotency key with its request.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Hash of the `Idempotency-Key` header. The header itself is not stored, since it might contain an API
    /// key.
    pub name: String,
    /// Hash of the request: the same idempotency key must come with the same request.
    pub request: [u8; 32],
}

/// A created or rotated key.
#[derive(Debug)]
pub struct IssuedKey {
    /// The key as it is now.
    pub key: ApiKey,
    /// The new value in clear; `None` if the caller provided it or the request is a repetition.
    pub secret: Option<Secret>,
    /// Whether the request was executed before and not again.
    pub is_repeated: bool,
}

/// Work that runs at most once if its caller sent an idempotency key.
pub(super) struct Once {
    caller: Option<KeyId>,
    idempotency: Option<Idempotency>,
    now: Timestamp,
}

impl Once {
    pub(super) fn new(caller: Option<KeyId>, idempotency: Option<Idempotency>, now: Timestamp) -> Self {
        Self { caller, idempotency, now }
    }

    /// Runs the work, or finds the key that an earlier execution produced.
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
