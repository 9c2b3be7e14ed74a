//! Rotation of a key: its rules and its states.

use super::lifetime::HOUR_MS;
use super::{ApiKey, Error, Expiry, Fingerprint, Grace, Result, Shadow, Timestamp};

/// For how long the outgoing value must not have been used before ending its grace counts as safe.
const QUIET_MS: i64 = HOUR_MS;

impl ApiKey {
    /// Finishes a rotation whose grace is over.
    pub fn complete_due_rotation(&mut self, now: Timestamp) {
        if self.shadow.as_ref().is_some_and(|shadow| shadow.rotates_at <= now) {
            self.promote_shadow();
        }
    }

    /// Gives the key a new value. Without a grace the old one stops at once, and with it a rotation under way; with one
    /// both go on until it ends, or the key does.
    ///
    /// # Errors
    /// [`Error::Invalid`] where an expired key is to have a grace, [`Error::ExpiryNeeded`] where it is not told when to expire,
    /// [`Error::Conflict`] where a rotation is in its grace and another is to have one.
    pub fn rotate(&mut self, new: Fingerprint, grace: Grace, expiry: Expiry, now: Timestamp) -> Result<()> {
        self.complete_due_rotation(now);
        if self.is_expired(now) {
            if grace != Grace::default() {
                let sentence = "An expired key has no value that a grace period could keep; rotate it without one.";
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

    /// Changes when the key ends. A key that has expired is good again until then, by its newest value alone. A rotation
    /// under way gets no more time by it: where the key now ends before the grace does, the outgoing value ends with the key,
    /// also should the key get a later end after that.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the end would lie beyond the year 9999.
    pub fn set_expiry(&mut self, expiry: Expiry, now: Timestamp) -> Result<()> {
        self.complete_due_rotation(now);
        self.expires_at = expiry.end(self.expires_at, now)?;
        if let (Some(shadow), Some(end)) = (&mut self.shadow, self.expires_at) {
            shadow.rotates_at = shadow.rotates_at.min(end);
        }
        Ok(())
    }

    /// Ends the grace of a rotation now: the outgoing value stops.
    ///
    /// # Errors
    /// [`Error::Conflict`] where there is no rotation in its grace.
    pub fn complete_rotation(&mut self, now: Timestamp) -> Result<()> {
        self.expect_rotation(now)?;
        self.promote_shadow();
        Ok(())
    }

    /// Drops the new value of a rotation; the outgoing one stays.
    ///
    /// # Errors
    /// [`Error::Conflict`] where there is no rotation in its grace.
    pub fn cancel_rotation(&mut self, now: Timestamp) -> Result<()> {
        self.expect_rotation(now)?;
        self.value_last_used = self.last_used();
        self.shadow = None;
        Ok(())
    }

    /// Whether nobody would notice if the grace ended now: the new value has been used, and the outgoing one not within
    /// the last hour.
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
    fn an_outgoing_value_is_good_until_the_millisecond_before_it_is_replaced_and_the_new_one_throughout() {
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
    fn a_grace_longer_than_the_key_is_cut_to_it() {
        let mut key = key(Some(at(NOW + 30 * 60_000)));
        key.rotate(fingerprint(2), hours(1), Expiry::Keep, at(NOW)).unwrap();
        assert_eq!(key.sunset(Presented::Value), Some(at(NOW + 30 * 60_000)));
        let mut renewed = super::super::key::tests::key(Some(at(NOW + 1)));
        let day = Expiry::After(Lifetime::from_days(1).unwrap());
        renewed.rotate(fingerprint(2), hours(48), day, at(NOW)).unwrap();
        assert_eq!(renewed.sunset(Presented::Value), Some(at(NOW + DAY_MS)));
    }

    #[test]
    fn another_expiry_only_ever_shortens_a_grace_and_revives_the_newest_value_alone() {
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
    fn a_deactivated_key_stays_so_through_a_rotation() {
        let mut key = key(None);
        key.valid = false;
        key.rotate(fingerprint(2), Grace::default(), Expiry::Keep, at(NOW)).unwrap();
        assert_eq!(key.check(Presented::Value, at(NOW)), Err(Refusal::Deactivated));
    }

    #[test]
    fn ending_a_grace_is_safe_once_the_new_value_is_used_and_the_outgoing_one_quiet_for_an_hour() {
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
    fn the_history_of_use_outlives_every_kind_of_rotation() {
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
