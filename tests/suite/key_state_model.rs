//! Random sequences of requests about keys, sent to the real server and to a simple model of the API contract.
//!
//! The model is written from the contract and calls no code of the program. A failure prints the shortest sequence that
//! proptest finds. Paste it into [`SEQUENCES_THAT_FAILED_ONCE`] to replay it in every run. `PROPTEST_CASES` sets the
//! number of sequences, `PROPTEST_RNG_SEED` repeats a run.

use super::helpers::*;
use Days::{Null, Number, Omitted};
use Edge::{Expiry, Grace};
use proptest::collection::{VecStrategy, vec};
use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::{Config, TestCaseResult, TestError, TestRunner};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::SystemTime;
use time::{Date, Month, OffsetDateTime};

const V2_KEYS: &str = "/v2/organization/api-keys";
const STEPS: usize = 40;
/// The minimum number of sequences over all servers.
const SEQUENCES: u32 = 512;
/// A server has one clock, so each server runs its sequences one after the other.
const SERVERS: u32 = 4;
/// How long to search for a shorter sequence.
const SHRINK_MS: u32 = 60_000;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The test checks nothing this shortly before a key or a grace period ends; it moves the clock past that end first.
/// Longer than a request takes.
const CLEAR_MS: i64 = 60_000;
/// The server reads the same clock as the test; this allows for a correction of that clock.
const TOLERANCE_MS: i64 = 5;
/// How far a server's clock is moved before another server takes over: two thousand years.
const FAR_MS: i64 = 2_000 * 365 * DAY_MS;

const NOT_VALID: &str = "The API key is not valid.";
const DEACTIVATED: &str = "The API key is deactivated.";
const EXPIRED: &str = "The API key has expired.";
const NO_SUCH_KEY: &str = "There is no such API key in this organization.";

/// Sequences as a failure printed them.
const SEQUENCES_THAT_FAILED_ONCE: &[&[Step]] = &[
    // The last use of a new value that is now the current value was shown for the next new value.
    &[
        Step::Create { expires: Omitted },
        Step::Rotate { key: 0, grace_hours: 1, expires: Omitted },
        Step::Use { key: 0, value: 0 },
        Step::Complete { key: 0 },
        Step::Rotate { key: 0, grace_hours: 1, expires: Omitted },
    ],
    &[
        Step::Create { expires: Omitted },
        Step::Rotate { key: 0, grace_hours: 1, expires: Omitted },
        Step::Advance { hours: 1 },
        Step::Use { key: 0, value: 0 },
        Step::Rotate { key: 0, grace_hours: 1, expires: Omitted },
    ],
];

/// A step. Keys count from the newest one, 0, and so do the values of a key. A step whose key or value does not exist
/// yet is skipped.
#[derive(Clone, Copy, Debug)]
enum Step {
    Get { key: usize },
    List,
    Use { key: usize, value: usize },
    Create { expires: Days },
    Rotate { key: usize, grace_hours: i64, expires: Days },
    Complete { key: usize },
    Cancel { key: usize },
    Switch { key: usize, valid: bool },
    Renew { key: usize, expires: Days },
    Advance { hours: i64 },
    Reach { key: usize, edge: Edge, is_past: bool },
    Revoke { key: usize },
}

/// The field `expiresInDays`.
#[derive(Clone, Copy, Debug)]
enum Days {
    Omitted,
    Null,
    Number(i64),
}

/// The clock moves to just before an end, or to its exact millisecond.
#[derive(Clone, Copy, Debug)]
enum Edge {
    Grace,
    Expiry,
}

/// Simpler steps first: proptest shrinks later ones to earlier ones if the failure stays.
fn step() -> impl Strategy<Value = Step> {
    let key = || prop_oneof![6 => Just(0_usize), 3 => Just(1), 1 => Just(2)];
    let edge = || prop_oneof![Just(Grace), Just(Expiry)];
    let hours = || prop_oneof![3 => 1..=30_i64, 2 => (1..=60_i64).prop_map(|days| days * 24)];
    let grace = || prop_oneof![4 => Just(0_i64), 5 => 1..=100_i64, 1 => 101..=8_784_i64];
    prop_oneof![
        3 => key().prop_map(|key| Step::Get { key }),
        1 => Just(Step::List),
        12 => (key(), 0..=3_usize).prop_map(|(key, value)| Step::Use { key, value }),
        3 => days().prop_map(|expires| Step::Create { expires }),
        8 => (key(), grace(), days())
            .prop_map(|(key, grace_hours, expires)| Step::Rotate { key, grace_hours, expires }),
        2 => key().prop_map(|key| Step::Complete { key }),
        2 => key().prop_map(|key| Step::Cancel { key }),
        3 => (key(), any::<bool>()).prop_map(|(key, valid)| Step::Switch { key, valid }),
        4 => (key(), days()).prop_map(|(key, expires)| Step::Renew { key, expires }),
        2 => hours().prop_map(|hours| Step::Advance { hours }),
        3 => (key(), edge(), any::<bool>()).prop_map(|(key, edge, is_past)| Step::Reach { key, edge, is_past }),
        1 => key().prop_map(|key| Step::Revoke { key }),
    ]
}

fn days() -> impl Strategy<Value = Days> {
    prop_oneof![
        4 => Just(Omitted),
        1 => Just(Null),
        3 => (1..=4_i64).prop_map(Number),
        1 => (5..=36_525_i64).prop_map(Number),
    ]
}

/// Sequences of exactly [`STEPS`] steps. Steps can be removed when a failure is shrunk.
#[derive(Debug)]
struct Sequence<S: Strategy>(VecStrategy<S>);

impl<S: Strategy> Strategy for Sequence<S> {
    type Tree = <VecStrategy<S> as Strategy>::Tree;
    type Value = Vec<S::Value>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        loop {
            let tree = self.0.new_tree(runner)?;
            if tree.current().len() == STEPS {
                return Ok(tree);
            }
        }
    }
}

/// A time that lies between two readings of the clock, in Unix milliseconds.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: i64,
    to: i64,
}

impl Span {
    fn plus(self, ms: i64) -> Self {
        Self { from: self.from + ms, to: self.to + ms }
    }

    fn check(self, what: &str, at: i64) -> TestCaseResult {
        let is_near = (self.from - TOLERANCE_MS..=self.to + TOLERANCE_MS).contains(&at);
        prop_assert!(is_near, "{} is {}, expected {:?}", what, at, self);
        Ok(())
    }
}

/// The model: a key by the contract. Times are Unix milliseconds.
#[derive(Debug)]
struct Key {
    id: i64,
    name: String,
    valid: bool,
    is_revoked: bool,
    created_at: i64,
    expires_at: Option<i64>,
    /// Every value that it ever had, oldest first.
    issued: Vec<String>,
    /// The index of the current value; during a rotation, of the outgoing one.
    value: usize,
    shadow: Option<Shadow>,
    /// The last use of the value or of one before it.
    used: Option<Span>,
}

/// The new value of a rotation.
#[derive(Debug)]
struct Shadow {
    value: usize,
    rotates_at: i64,
    used: Option<Span>,
}

impl Key {
    fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    fn last_used(&self) -> Option<Span> {
        let shadow = self.shadow.as_ref().and_then(|shadow| shadow.used);
        [self.used, shadow].into_iter().flatten().max_by_key(|span| span.to)
    }

    /// The next time at which the key changes without a request.
    fn edges(&self) -> impl Iterator<Item = i64> {
        let rotates_at = self.shadow.as_ref().map(|shadow| shadow.rotates_at);
        let is_quiet_at = self.used.map(|span| span.to + HOUR_MS);
        [self.expires_at, rotates_at, is_quiet_at].into_iter().flatten()
    }

    /// Ends a grace period that is over. The contract lets a `GET` still show it; this server never does.
    fn complete_due_rotation(&mut self, now: i64) {
        if self.shadow.as_ref().is_some_and(|shadow| shadow.rotates_at <= now) {
            self.promote();
        }
    }

    fn promote(&mut self) {
        self.used = self.last_used();
        if let Some(shadow) = self.shadow.take() {
            self.value = shadow.value;
        }
    }

    /// When the value expires, if it is the outgoing one of a rotation; or the error message that refuses it.
    fn verdict(&self, value: usize, now: i64) -> Result<Option<i64>, &'static str> {
        let is_outgoing = self.shadow.is_some() && value == self.value;
        let is_known = value == self.value || self.shadow.as_ref().is_some_and(|shadow| shadow.value == value);
        match () {
            () if self.is_revoked || !is_known => Err(NOT_VALID),
            () if !self.valid => Err(DEACTIVATED),
            () if self.is_expired(now) => Err(EXPIRED),
            () => Ok(self.shadow.as_ref().filter(|_| is_outgoing).map(|shadow| shadow.rotates_at)),
        }
    }

    fn note_use(&mut self, value: usize, span: Span) {
        match &mut self.shadow {
            Some(shadow) if shadow.value == value => shadow.used = Some(span),
            _ => self.used = Some(span),
        }
    }

    /// The status with which a rotation is refused.
    fn refuses_rotation(&self, grace_hours: i64, expires: Days, now: i64) -> Option<u16> {
        if self.is_expired(now) && (grace_hours > 0 || matches!(expires, Omitted)) {
            return Some(400);
        }
        (grace_hours > 0 && self.shadow.is_some()).then_some(409)
    }

    /// Takes the times of a rotation from a response, if they are allowed.
    fn rotate(&mut self, data: &Value, grace_hours: i64, expires: Days, span: Span) -> TestCaseResult {
        self.expires_at = expiry(data, expires, self.expires_at, span)?;
        let new = self.issued.len();
        if grace_hours == 0 {
            self.issued.push(text(data, "value")?);
            self.used = self.last_used();
            (self.value, self.shadow) = (new, None);
            return Ok(());
        }
        self.issued.push(text(data, "shadowValue")?);
        let rotates_at = instant(data, "rotatesAt")?;
        let end = span.plus(grace_hours * HOUR_MS);
        match self.expires_at.filter(|expires_at| *expires_at <= end.to) {
            None => end.check("rotatesAt", rotates_at)?,
            Some(expires_at) if expires_at < end.from => prop_assert_eq!(rotates_at, expires_at),
            Some(expires_at) => prop_assert!(end.check("", rotates_at).is_ok() && rotates_at <= expires_at),
        }
        self.shadow = Some(Shadow { value: new, rotates_at, used: None });
        Ok(())
    }

    /// Compares a key in a response with this one. One of its values may be shown in full.
    fn check(&self, data: &Value, full: Option<usize>, span: Span) -> TestCaseResult {
        let show = |value: usize| {
            let text = &self.issued[value];
            if full == Some(value) { text.clone() } else { format!("***************{}", &text[text.len() - 6..]) }
        };
        let mut found = data.clone();
        let taken = ["created_at", "expiresAt", "rotatesAt", "lastUsed", "rotation"]
            .map(|field| found.as_object_mut().and_then(|fields| fields.remove(field)));
        let shadow = self.shadow.as_ref();
        let expected = json!({
            "id": self.id, "name": self.name, "valid": self.valid, "value": show(self.value),
            "shadowValue": shadow.map(|shadow| show(shadow.value)),
            "role": "admin", "permissions": [], "owner": null, "metadata": {},
        });
        prop_assert_eq!(found, expected, "the key is {}", data);
        prop_assert!(taken[..4].iter().all(Option::is_some), "a field is missing: {}", data);
        prop_assert_eq!(instant(data, "created_at")?, self.created_at, "created_at");
        prop_assert_eq!(optional_instant(data, "expiresAt")?, self.expires_at, "expiresAt");
        prop_assert_eq!(optional_instant(data, "rotatesAt")?, shadow.map(|shadow| shadow.rotates_at), "rotatesAt");
        check_use(data, "lastUsed", self.last_used())?;
        let rotation = &data["rotation"];
        let Some(shadow) = shadow else {
            prop_assert!(rotation.is_null(), "there is no rotation: {}", data);
            return Ok(());
        };
        check_use(rotation, "valueLastUsed", self.used)?;
        check_use(rotation, "shadowValueLastUsed", shadow.used)?;
        let is_safe = shadow.used.is_some() && self.used.is_none_or(|used| used.to + HOUR_MS <= span.to);
        prop_assert_eq!(&rotation["isSafeToComplete"], &json!(is_safe), "isSafeToComplete: {}", data);
        Ok(())
    }
}

/// The expiry after `expiresInDays`, if the value in the response is allowed.
fn expiry(data: &Value, expires: Days, before: Option<i64>, span: Span) -> Result<Option<i64>, TestCaseError> {
    let found = optional_instant(data, "expiresAt")?;
    match (expires, found) {
        (Omitted, found) => prop_assert_eq!(found, before, "expiresAt is kept"),
        (Null, found) => prop_assert_eq!(found, None, "expiresAt is removed"),
        (Number(days), Some(found)) => span.plus(days * DAY_MS).check("expiresAt", found)?,
        (Number(_), None) => return Err(TestCaseError::fail("expiresAt is not set")),
    }
    Ok(found)
}

fn check_use(data: &Value, field: &str, used: Option<Span>) -> TestCaseResult {
    match (optional_instant(data, field)?, used) {
        (Some(found), Some(used)) => used.check(field, found),
        (found, used) => {
            prop_assert!(found.is_none() && used.is_none(), "{field} is {found:?}, expected {used:?}");
            Ok(())
        }
    }
}

fn text(data: &Value, field: &str) -> Result<String, TestCaseError> {
    let text = data[field].as_str().ok_or_else(|| TestCaseError::fail(format!("{field} is no text: {data}")))?;
    Ok(text.to_owned())
}

fn optional_instant(data: &Value, field: &str) -> Result<Option<i64>, TestCaseError> {
    if data[field].is_null() { Ok(None) } else { instant(data, field).map(Some) }
}

/// `2024-12-04T23:00:00.000Z` as Unix milliseconds.
fn instant(data: &Value, field: &str) -> Result<i64, TestCaseError> {
    let text = text(data, field)?;
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    prop_assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{} is {}", field, text);
    let number = |from: usize, to: usize| text[from..to].parse::<u16>().unwrap_or_default();
    let byte = |from: usize| u8::try_from(number(from, from + 2)).unwrap_or_default();
    let at = Month::try_from(byte(5))
        .and_then(|month| Date::from_calendar_date(number(0, 4).into(), month, byte(8)))
        .and_then(|date| date.with_hms_milli(byte(11), byte(14), byte(17), number(20, 23)));
    let at = at.map_err(|e| TestCaseError::fail(format!("{field} is {text}: {e}")))?.assume_utc();
    Ok(at.unix_timestamp() * 1000 + i64::from(at.millisecond()))
}

/// The date of an HTTP header (RFC 9110, section 5.6.7), of Unix milliseconds.
fn http_date(ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(ms / 1000).expect("a time");
    let (day, month) = (at.weekday().to_string(), at.month().to_string());
    let (hour, minute, second) = at.to_hms();
    format!("{}, {:02} {} {} {hour:02}:{minute:02}:{second:02} GMT", &day[..3], at.day(), &month[..3], at.year())
}

/// A server, and how far its clock was moved.
struct Stage {
    _server: Server,
    admin: Client,
    ahead_ms: i64,
    /// Whether a sequence started and did not finish.
    is_littered: bool,
}

impl Stage {
    fn new() -> Self {
        let server = Server::start_with(&[("KEYSTEAD_DEV_CLOCK", "true"), ("KEYSTEAD_SERVER_WORKERS", "1")]);
        let admin = server.client();
        Self { _server: server, admin, ahead_ms: 0, is_littered: false }
    }

    /// The server's time: it reads the same clock.
    fn now(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
        i64::try_from(since_epoch.as_millis()).expect("a time") + self.ahead_ms
    }

    /// Runs an action; returns the two readings of the clock around it.
    fn timed(&self, work: impl FnOnce(&Client) -> Answer) -> (Answer, Span) {
        let from = self.now();
        let answer = work(&self.admin);
        (answer, Span { from, to: self.now() })
    }

    fn advance(&mut self, ms: i64) -> TestCaseResult {
        let before = self.now();
        let answer = self.admin.post("/dev/clock", json!({"advanceInMs": ms}));
        self.ahead_ms += ms;
        let moved = Span { from: before + ms, to: self.now() };
        moved.check("the moved clock", instant(&success(&answer)?, "now")?)?;
        let (answer, span) = self.timed(|admin| admin.get("/dev/clock"));
        span.check("the clock", instant(&success(&answer)?, "now")?)
    }

    /// Runs a sequence on a server that has only the first key, then checks everything once more.
    fn play(&mut self, steps: &[Step]) -> TestCaseResult {
        if self.is_littered || self.ahead_ms > FAR_MS {
            *self = Self::new();
        }
        self.is_littered = true;
        let mut play = Play { stage: self, keys: Vec::new() };
        for (number, step) in steps.iter().enumerate() {
            play.take(*step).map_err(|e| TestCaseError::fail(format!("step {number}, {step:?}: {e}")))?;
        }
        let ended = play.look_at_everything().and_then(|()| play.revoke_all());
        ended.map_err(|e| TestCaseError::fail(format!("after the last step: {e}")))?;
        self.is_littered = false;
        Ok(())
    }
}

/// The `data` of a successful response.
fn success(answer: &Answer) -> Result<Value, TestCaseError> {
    prop_assert_eq!(answer.status, 200, "{}", answer.text);
    let mut json = answer.json();
    prop_assert_eq!(&json["success"], &json!(true));
    Ok(json["data"].take())
}

/// A refusal, after a check of its envelope; returns the error message.
fn refusal(answer: &Answer, status: u16) -> Result<String, TestCaseError> {
    prop_assert_eq!(answer.status, status, "{}", answer.text);
    let json = answer.json();
    let sentence = text(&json, "error")?;
    prop_assert_eq!(json, json!({"success": false, "error": sentence, "deprecated": false}));
    Ok(sentence)
}

/// A running sequence: the server, and the model of the keys so far.
struct Play<'a> {
    stage: &'a mut Stage,
    keys: Vec<Key>,
}

impl Play<'_> {
    fn look_at_everything(&mut self) -> TestCaseResult {
        self.prepare()?;
        self.list()?;
        for key in 0..self.keys.len() {
            self.get(key)?;
            for value in 0..self.keys[key].issued.len() {
                self.present(key, value)?;
            }
        }
        Ok(())
    }

    fn revoke_all(&mut self) -> TestCaseResult {
        for key in 0..self.keys.len() {
            if !self.keys[key].is_revoked {
                self.revoke(key)?;
            }
            for value in 0..self.keys[key].issued.len() {
                self.present(key, value)?;
            }
        }
        self.list()
    }

    /// Moves the clock past an end that is near, so that all responses of a step fall on the same side of it.
    fn prepare(&mut self) -> TestCaseResult {
        loop {
            let now = self.stage.now();
            let live = self.keys.iter().filter(|key| !key.is_revoked);
            let Some(edge) = live.flat_map(Key::edges).find(|edge| (now + 1..now + CLEAR_MS).contains(edge)) else {
                break;
            };
            self.stage.advance(edge - now)?;
        }
        let now = self.stage.now();
        self.keys.iter_mut().for_each(|key| key.complete_due_rotation(now));
        Ok(())
    }

    fn take(&mut self, step: Step) -> TestCaseResult {
        self.prepare()?;
        let count = self.keys.len();
        let index = |back: usize| count.checked_sub(back + 1);
        let key = match step {
            Step::List => return self.list(),
            Step::Create { expires } => return self.create(expires),
            Step::Advance { hours } => return self.stage.advance(hours * HOUR_MS),
            Step::Get { key }
            | Step::Use { key, .. }
            | Step::Rotate { key, .. }
            | Step::Complete { key }
            | Step::Cancel { key }
            | Step::Switch { key, .. }
            | Step::Renew { key, .. }
            | Step::Reach { key, .. }
            | Step::Revoke { key } => index(key),
        };
        let Some(key) = key else { return Ok(()) };
        match step {
            Step::Get { .. } => self.get(key),
            Step::Use { value, .. } => match self.keys[key].issued.len().checked_sub(value + 1) {
                Some(value) => self.present(key, value),
                None => Ok(()),
            },
            Step::Rotate { grace_hours, expires, .. } => self.rotate(key, grace_hours, expires),
            Step::Complete { .. } => self.end_rotation(key, "complete", Key::promote),
            Step::Cancel { .. } => self.end_rotation(key, "cancel", |key| {
                key.used = key.last_used();
                key.shadow = None;
            }),
            Step::Switch { valid, .. } => self.switch(key, valid),
            Step::Renew { expires, .. } => self.renew(key, expires),
            Step::Reach { edge, is_past, .. } => self.reach(key, edge, is_past),
            Step::Revoke { .. } => self.revoke(key),
            Step::List | Step::Create { .. } | Step::Advance { .. } => Ok(()),
        }
    }

    fn path(&self, key: usize, rest: &str) -> String {
        format!("{V2_KEYS}/{}{rest}", self.keys[key].id)
    }

    /// The `data` about a key; `None` if the key is revoked and so not found.
    fn data(&self, key: usize, answer: &Answer) -> Result<Option<Value>, TestCaseError> {
        if !self.keys[key].is_revoked {
            return success(answer).map(Some);
        }
        prop_assert_eq!(refusal(answer, 404)?, NO_SUCH_KEY);
        Ok(None)
    }

    fn create(&mut self, expires: Days) -> TestCaseResult {
        let name = format!("key {}", self.keys.len());
        let body = with_days(json!({"name": name}), expires);
        let (answer, span) = self.stage.timed(|admin| admin.post(V2_KEYS, body));
        let data = success(&answer)?;
        prop_assert_eq!(answer.header("cache-control"), Some("no-store"));
        let created_at = instant(&data, "created_at")?;
        span.check("created_at", created_at)?;
        let id = data["id"].as_i64().unwrap_or_default();
        prop_assert!(self.keys.iter().all(|key| key.id < id), "the id is new: {}", data);
        let key = Key {
            id,
            name,
            valid: true,
            is_revoked: false,
            created_at,
            expires_at: expiry(&data, expires, None, span)?,
            issued: vec![text(&data, "value")?],
            value: 0,
            shadow: None,
            used: None,
        };
        self.keys.push(key);
        self.keys[self.keys.len() - 1].check(&data, Some(0), span)
    }

    fn get(&mut self, key: usize) -> TestCaseResult {
        let path = self.path(key, "");
        let (answer, span) = self.stage.timed(|admin| admin.get(&path));
        let Some(data) = self.data(key, &answer)? else { return Ok(()) };
        self.keys[key].check(&data, None, span)
    }

    /// All keys that are not revoked, newest first; the last one is the key of the test client.
    fn list(&mut self) -> TestCaseResult {
        let (answer, span) = self.stage.timed(|admin| admin.get(V2_KEYS));
        let data = success(&answer)?;
        let found = data["apiKeys"].as_array().map(Vec::as_slice).unwrap_or_default();
        let expected: Vec<&Key> = self.keys.iter().rev().filter(|key| !key.is_revoked).collect();
        let ids: Vec<i64> = found.iter().filter_map(|key| key["id"].as_i64()).collect();
        prop_assert_eq!(ids, expected.iter().map(|key| key.id).chain([1]).collect::<Vec<i64>>());
        expected.iter().zip(found).try_for_each(|(key, data)| key.check(data, None, span))
    }

    /// Authenticates with a value from any earlier time.
    fn present(&mut self, key: usize, value: usize) -> TestCaseResult {
        let credential = self.keys[key].issued[value].clone();
        let headers = [("CONFIDENT_API_KEY", credential.as_str())];
        let (answer, span) = self.stage.timed(|client| client.send("GET", "/v2/organization", &headers, b""));
        let key = &mut self.keys[key];
        let announced = (answer.header("sunset"), answer.header("x-api-key-warning").is_some());
        match key.verdict(value, span.from) {
            Err(sentence) => {
                prop_assert_eq!(refusal(&answer, 401)?, sentence, "of {:?}", key);
                prop_assert!(answer.header("www-authenticate").is_some());
                prop_assert_eq!(announced, (None, false));
            }
            Ok(sunset) => {
                prop_assert_eq!(&success(&answer)?["plan"], &json!("ENTERPRISE"), "of {:?}", key);
                let date = sunset.map(http_date);
                prop_assert_eq!(announced, (date.as_deref(), date.is_some()), "of {:?}", key);
                key.note_use(value, span);
            }
        }
        Ok(())
    }

    fn rotate(&mut self, key: usize, grace_hours: i64, expires: Days) -> TestCaseResult {
        let path = self.path(key, "/rotate");
        // 0 is the default.
        let body = if grace_hours == 0 { json!({}) } else { json!({"gracePeriodInHours": grace_hours}) };
        let body = with_days(body, expires);
        let (answer, span) = self.stage.timed(|admin| admin.post(&path, body));
        let is_there = !self.keys[key].is_revoked;
        let refused = self.keys[key].refuses_rotation(grace_hours, expires, span.from);
        if let Some(status) = refused.filter(|_| is_there) {
            return refusal(&answer, status).map(|_| ());
        }
        let Some(data) = self.data(key, &answer)? else { return Ok(()) };
        prop_assert_eq!(answer.header("cache-control"), Some("no-store"));
        let key = &mut self.keys[key];
        key.rotate(&data, grace_hours, expires, span)?;
        key.check(&data, Some(key.issued.len() - 1), span)
    }

    fn end_rotation(&mut self, key: usize, how: &str, end: impl FnOnce(&mut Key)) -> TestCaseResult {
        let path = self.path(key, &format!("/rotate/{how}"));
        let (answer, span) = self.stage.timed(|admin| admin.post(&path, json!({})));
        if !self.keys[key].is_revoked && self.keys[key].shadow.is_none() {
            return refusal(&answer, 409).map(|_| ());
        }
        let Some(data) = self.data(key, &answer)? else { return Ok(()) };
        end(&mut self.keys[key]);
        self.keys[key].check(&data, None, span)
    }

    fn switch(&mut self, key: usize, valid: bool) -> TestCaseResult {
        let path = self.path(key, "");
        let (answer, span) = self.stage.timed(|admin| admin.put(&path, json!({"valid": valid})));
        let Some(data) = self.data(key, &answer)? else { return Ok(()) };
        self.keys[key].valid = valid;
        self.keys[key].check(&data, None, span)
    }

    /// Renames a key and changes its expiry. This can only shorten a grace period.
    fn renew(&mut self, key: usize, expires: Days) -> TestCaseResult {
        let (path, name) = (self.path(key, ""), format!("{} again", self.keys[key].name));
        let body = with_days(json!({"name": name}), expires);
        let (answer, span) = self.stage.timed(|admin| admin.put(&path, body));
        let Some(data) = self.data(key, &answer)? else { return Ok(()) };
        let key = &mut self.keys[key];
        (key.name, key.expires_at) = (name, expiry(&data, expires, key.expires_at, span)?);
        if let (Some(shadow), Some(expires_at)) = (&mut key.shadow, key.expires_at) {
            shadow.rotates_at = shadow.rotates_at.min(expires_at);
        }
        key.check(&data, None, span)
    }

    fn revoke(&mut self, key: usize) -> TestCaseResult {
        let path = self.path(key, "");
        let (answer, _) = self.stage.timed(|admin| admin.delete(&path));
        let Some(data) = self.data(key, &answer)? else { return Ok(()) };
        prop_assert_eq!(data, json!({"id": self.keys[key].id}));
        self.keys[key].is_revoked = true;
        Ok(())
    }

    /// Moves the clock to the end of a key or its grace period, or shortly before it.
    fn reach(&mut self, key: usize, edge: Edge, is_past: bool) -> TestCaseResult {
        let key = &self.keys[key];
        let end = match edge {
            Grace => key.shadow.as_ref().map(|shadow| shadow.rotates_at),
            Expiry => key.expires_at,
        };
        let distance = if is_past { 0 } else { 2 * CLEAR_MS };
        match end.map(|end| end - distance - self.stage.now()) {
            Some(ms) if ms > 0 => self.stage.advance(ms),
            _ => Ok(()),
        }
    }
}

fn with_days(mut body: Value, expires: Days) -> Value {
    match expires {
        Omitted => {}
        Null => body["expiresInDays"] = Value::Null,
        Number(days) => body["expiresInDays"] = json!(days),
    }
    body
}

/// The sequence in a form to paste into [`SEQUENCES_THAT_FAILED_ONCE`].
fn as_source(steps: &[Step]) -> String {
    let mut source = "&[\n".to_owned();
    for step in steps {
        _ = writeln!(source, "    Step::{step:?},");
    }
    source + "],"
}

/// Removes steps that proptest tried to remove before it simplified the others, and that can go now.
fn without_what_can_go(stage: &mut Stage, mut reason: String, mut steps: Vec<Step>) -> (String, Vec<Step>) {
    let mut number = 0;
    while number < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(number);
        match stage.play(&fewer) {
            Ok(()) => number += 1,
            Err(e) => (reason, steps, number) = (e.to_string(), fewer, 0),
        }
    }
    (reason, steps)
}

fn play_many(cases: u32) {
    let stage = RefCell::new(Stage::new());
    let config = Config { cases, failure_persistence: None, max_shrink_time: SHRINK_MS, ..Config::default() };
    let outcome =
        TestRunner::new(config).run(&Sequence(vec(step(), 1..=STEPS)), |steps| stage.borrow_mut().play(&steps));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, steps)) => {
            let (reason, steps) = without_what_can_go(&mut stage.into_inner(), reason.to_string(), steps);
            let source = as_source(&steps);
            panic!("{reason}\nThe shortest sequence that fails, {} steps:\n{source}", steps.len())
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

#[test]
fn the_server_matches_the_model_for_random_sequences_of_requests() {
    let cases = Config::default().cases.max(SEQUENCES).div_ceil(SERVERS);
    std::thread::scope(|scope| {
        let players: Vec<_> = (0..SERVERS).map(|_| scope.spawn(move || play_many(cases))).collect();
        let failed = players.into_iter().filter_map(|player| player.join().err()).count();
        assert_eq!(failed, 0, "servers that did something else; their sequences are above");
    });
}

#[test]
fn sequences_that_failed_once_pass() {
    let mut stage = Stage::new();
    for steps in SEQUENCES_THAT_FAILED_ONCE {
        stage.play(steps).unwrap_or_else(|e| panic!("{e}\n{}", as_source(steps)));
    }
}
