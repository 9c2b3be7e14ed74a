//! Rotation: how a key gets a new value, with or without a grace period.

use super::lifetime::HOUR_MS;
use super::{ApiKey, Error, Expiry, Fingerprint, Grace, Result, Shadow, Timestamp};

/// Completing a rotation is safe if the outgoing value was not used for this long.
const QUIET_MS: i64 = HOUR_MS;

impl ApiKey {
    /// Completes a rotation whose grace period is over.
    pub fn complete_due_rotation(&mut self, now: Timestamp) {
        if self.shadow.as_ref().is_some_and(|shadow| shadow.rotates_at <= now) {
            self.promote_shadow();
        }
    }

    /// Gives the key a new value. Without a grace period the old value, and a rotation in progress, end at
    /// once. With one, both values work until it ends or the key expires.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an expired key with a grace period, [`Error::ExpiryNeeded`] for an expired key
    /// without a new expiry, [`Error::Conflict`] for a grace period while a rotation is in progress.
    pub fn rotate(&mut self, new: Fingerprint, grace: Grace, expiry: Expiry, now: Timestamp) -> Result<()> {
        self.complete_due_rotation(now);
        if self.is_expired(now) {
            if grace != Grace::default() {
                let sentence = "An expired key cannot have a grace period; rotate it without one.";
                return Err(Error::Invalid(sentence.to_owned()));
            }
            if expiry == Expiry::Keep {
                return Err(Error::ExpiryNeeded);
            }
        }
        let expires_at = expiry.end(self.expires_at, now)?;
        if grace == Grace::default() {
            self.value_last_used = self.last_used();
            (self.value, self.shadow) = (new, None);
        } else {
            if self.shadow.is_some() {
                let sentence = "The key is being rotated already: complete or cancel that rotation first, or rotate without a grace period.";
                return Err(Error::Conflict(sentence.to_owned()));
            }
            let too_far = || Error::Invalid("The grace period would end beyond the year 9999.".to_owned());
            let end = grace.end(now).ok_or_else(too_far)?;
            let rotates_at = expires_at.map_or(end, |expires_at| expires_at.min(end));
            self.shadow = Some(Shadow { fingerprint: new, rotates_at, last_used: None });
        }
        self.expires_at = expires_at;
        Ok(())
    }

    /// Changes the expiry. An expired key works again until the new expiry, with its newest value only. A
    /// rotation in progress never gets more time: an expiry before the end of the grace period shortens it
    /// permanently.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the expiry is after the year 9999.
    pub fn set_expiry(&mut self, expiry: Expiry, now: Timestamp) -> Result<()> {
        self.complete_due_rotation(now);
        self.expires_at = expiry.end(self.expires_at, now)?;
        if let (Some(shadow), Some(end)) = (&mut self.shadow, self.expires_at) {
            shadow.rotates_at = shadow.rotates_at.min(end);
        }
        Ok(())
    }

    /// Completes a rotation now: the outgoing value stops working.
    ///
    /// # Errors
    /// [`Error::Conflict`] if no rotation is in progress.
    pub fn complete_rotation(&mut self, now: Timestamp) -> Result<()> {
        self.expect_rotation(now)?;
        self.promote_shadow();
        Ok(())
    }

    /// Drops the new value of a rotation; the outgoing value stays.
    ///
    /// # Errors
    /// [`Error::Conflict`] if no rotation is in progress.
    pub fn cancel_rotation(&mut self, now: Timestamp) -> Result<()> {
        self.expect_rotation(now)?;
        self.value_last_used = self.last_used();
        self.shadow = None;
        Ok(())
    }

    /// Whether no client would notice the completion of the rotation: the new value has been used, and the
    /// outgoing one not within the last hour.
    pub fn is_safe_to_complete(&self, now: Timestamp) -> bool {
        let is_in_use = self.shadow.as_ref().is_some_and(|shadow| shadow.last_used.is_some());
        is_in_use && self.value_last_used.is_none_or(|at| at.unix_ms() + QUIET_MS <= now.unix_ms())
    }

    fn expect_rotation(&mut self, now: Timestamp) -> Result<()> {
        self.complete_due_rotation(now);
        if self.shadow.is_some() {
            return Ok(());
        }
        Err(Error::Conflict("The key is not being rotated.".to_owned()))
    }

    fn promote_shadow(&mut self) {
        self.value_last_used = self.last_used();
        if let Some(shadow) = self.shadow.take() {
            self.value = shadow.fingerprint;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::tests::{DAY_MS, NOW, at, fingerprint, key};
    use super::super::{Lifetime, Presented, Refusal};
    use super::*;

    fn hours(hours: i64) -> Grace {
        Grace::from_hours(hours).unwrap()
    }

    #[test]
    fn the_outgoing_value_works_until_the_millisecond_before_its_replacement_and_the_new_one_throughout() {
        let mut key = key(None);
        key.rotate(fingerprint(2), hours(1), Expiry::Keep, at(NOW)).unwrap();
        let end = NOW + HOUR_MS;
        assert_eq!(key.check(Presented::Value, at(end - 1)), Ok(()));
        assert_eq!(key.check(Presented::Value, at(end)), Err(Refusal::RotatedOut));
        for now in [NOW, end - 1, end, end + 1] {
            assert_eq!(key.check(Presented::Shadow, at(now)), Ok(()));
        }
        let mut before = key.clone();
        before.complete_due_rotation(at(end - 1));
        assert_eq!(before, key);
        key.complete_due_rotation(at(end));
        assert_eq!((key.value, key.shadow), (fingerprint(2), None));
    }

    #[test]
    fn a_grace_period_ends_with_the_key_at_the_latest() {
        let mut key = key(Some(at(NOW + 30 * 60_000)));
        key.rotate(fingerprint(2), hours(1), Expiry::Keep, at(NOW)).unwrap();
        assert_eq!(key.sunset(Presented::Value), Some(at(NOW + 30 * 60_000)));
        let mut renewed = super::super::key::tests::key(Some(at(NOW + 1)));
        let day = Expiry::After(Lifetime::from_days(1).unwrap());
        renewed.rotate(fingerprint(2), hours(48), day, at(NOW)).unwrap();
        assert_eq!(renewed.sunset(Presented::Value), Some(at(NOW + DAY_MS)));
    }

    #[test]
    fn a_new_expiry_never_extends_a_grace_period_and_revives_only_the_newest_value() {
        let after = |seconds| Expiry::After(Lifetime::from_seconds(seconds).unwrap());
        let mut key = key(Some(at(NOW + DAY_MS)));
        key.rotate(fingerprint(2), hours(48), Expiry::Keep, at(NOW)).unwrap();
        assert_eq!(key.sunset(Presented::Value), Some(at(NOW + DAY_MS)), "cut to the key");
        key.set_expiry(Expiry::Never, at(NOW)).unwrap();
        assert_eq!((key.expires_at, key.sunset(Presented::Value)), (None, Some(at(NOW + DAY_MS))));
        key.set_expiry(after(60), at(NOW)).unwrap();
        assert_eq!(key.sunset(Presented::Value), Some(at(NOW + 60_000)));
        key.set_expiry(Expiry::Keep, at(NOW + 1)).unwrap();
        assert_eq!(key.expires_at, Some(at(NOW + 60_000)));
        for presented in [Presented::Value, Presented::Shadow] {
            assert_eq!(key.check(presented, at(NOW + 59_999)), Ok(()));
            assert!(key.check(presented, at(NOW + 60_000)).is_err());
        }
        let mut in_time = key.clone();
        in_time.set_expiry(after(3_600), at(NOW + 59_999)).unwrap();
        assert_eq!(in_time.sunset(Presented::Value), Some(at(NOW + 60_000)), "no more time");
        key.set_expiry(after(3_600), at(NOW + 60_000)).unwrap();
        assert_eq!((key.value, key.shadow.clone()), (fingerprint(2), None));
        assert_eq!(key.check(Presented::Value, at(NOW + 60_001)), Ok(()));
    }

    #[test]
    fn a_rotation_does_not_reactivate_a_key() {
        let mut key = key(None);
        key.valid = false;
        key.rotate(fingerprint(2), Grace::default(), Expiry::Keep, at(NOW)).unwrap();
        assert_eq!(key.check(Presented::Value, at(NOW)), Err(Refusal::Deactivated));
    }

    #[test]
    fn completion_is_safe_once_the_new_value_is_used_and_the_outgoing_one_unused_for_an_hour() {
        let mut key = key(None);
        assert!(!key.is_safe_to_complete(at(NOW)), "there is no grace to end");
        key.rotate(fingerprint(2), hours(9), Expiry::Keep, at(NOW)).unwrap();
        assert!(!key.is_safe_to_complete(at(NOW)));
        key.shadow.as_mut().unwrap().last_used = Some(at(NOW));
        assert!(key.is_safe_to_complete(at(NOW)), "the outgoing value was never used");
        key.value_last_used = Some(at(NOW));
        assert!(!key.is_safe_to_complete(at(NOW + QUIET_MS - 1)));
        assert!(key.is_safe_to_complete(at(NOW + QUIET_MS)));
    }

    #[test]
    fn every_end_of_a_rotation_keeps_the_last_used_time() {
        let used = Some(at(NOW + 5));
        type End = fn(&mut ApiKey) -> Result<()>;
        let ends: [End; 4] = [
            |key| key.complete_rotation(at(NOW + 6)),
            |key| key.cancel_rotation(at(NOW + 6)),
            |key| key.rotate(fingerprint(3), Grace::default(), Expiry::Keep, at(NOW + 6)),
            |key| {
                key.complete_due_rotation(at(NOW + HOUR_MS));
                Ok(())
            },
        ];
        for end in ends {
            let mut key = key(None);
            key.rotate(fingerprint(2), hours(1), Expiry::Keep, at(NOW)).unwrap();
            key.shadow.as_mut().unwrap().last_used = used;
            end(&mut key).unwrap();
            assert_eq!((key.last_used(), key.shadow), (used, None));
        }
    }
}
