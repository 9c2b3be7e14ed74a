//! What it costs to tell others whether a key is good.

use super::ceiling::Comparison;
use crate::harness::load::Until;
use crate::harness::report::{Target, count};
use crate::harness::requests::{self, Requests};
use crate::harness::servers::Server;
use crate::harness::{Bench, stores, zipf};

/// How many keys take turns.
const KEYS: usize = 1_000;
/// The least part of the static handler's throughput that is good enough for forward auth.
const LEAST_FORWARD_AUTH: f64 = 0.88;
/// The same for verification, which has a body to read.
const LEAST_VERIFY: f64 = 0.8;
/// How many requests are drawn before they repeat.
const DRAWN: usize = 1_000_000;

/// nginx's question, answered with headers alone.
pub fn forward_auth(bench: &Bench) {
    let store = bench.stores.copy(KEYS);
    let server = Server::keystead(&store.path(), &[]);
    let example = requests::forward_auth(stores::secret(KEYS / 2).expose());
    let requests = Requests::forward_auth(0..KEYS);
    let comparison = Comparison::measure(bench, &server, "/auth/nginx", &example, &requests);

    println!(
        "`GET /auth/nginx`, {} keys in turn, against a static handler that returns the same {} bytes, headers and all.\n",
        count(KEYS),
        comparison.answer
    );
    print!("{}", comparison.table(LEAST_FORWARD_AUTH, Target::AtLeast(LEAST_FORWARD_AUTH)));
}

/// Other keys' questions, about a thousand keys.
pub fn in_turn(bench: &Bench) {
    let store = bench.stores.copy(KEYS);
    let server = Server::keystead(&store.path(), &[]);
    let example = requests::verify(stores::secret(KEYS / 2).expose());
    let requests = Requests::verify(0..KEYS);
    let comparison = Comparison::measure(bench, &server, "/v1/verify", &example, &requests);

    println!(
        "`POST /v1/verify` by one key about {} keys in turn, against a static handler that is sent the same and returns \
         as many bytes ({}).\n",
        count(KEYS),
        comparison.answer
    );
    print!("{}", comparison.table(LEAST_VERIFY, Target::Stated));
}

/// The same about as many keys as may be remembered, where few are asked about often and most hardly ever.
pub fn by_zipf(bench: &Bench) {
    let keys = bench.scale.capacity;
    let store = bench.stores.copy(keys);
    let server = Server::keystead(&store.path(), &[("KEYSTEAD_CACHE_CAPACITY", keys.to_string())]);
    let example = requests::verify(stores::secret(keys / 2).expose());
    bench.round(&server, &Requests::verify(0..keys), Until::Sent(keys));
    let order = zipf::sequence(u32::try_from(keys).expect("a store's keys must be countable"), DRAWN);
    let requests = Requests::verify(0..keys).ordered(order);
    let comparison = Comparison::measure(bench, &server, "/v1/verify", &example, &requests);

    println!(
        "The same about {} distinct keys, each of which was asked about once before, in an order drawn by Zipf's law \
         (exponent 1; {} requests drawn beforehand). As many keys may be remembered.\n",
        count(keys),
        count(DRAWN)
    );
    print!("{}", comparison.table(LEAST_VERIFY, Target::Stated));
}
