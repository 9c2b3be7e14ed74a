//! Dead means dead, through a real proxy too.

use super::proxy::Kind;
use super::proxy_setup::Setup;
use super::revocation_race::race_through;

const ROUNDS: usize = 300;

#[test]
fn no_request_after_the_response_passes_nginx_with_a_revoked_key() {
    let setup = Setup::new(Kind::NginxWithUnderscores, &[], None);
    race_through(ROUNDS, &setup.clients, |value| {
        let user = setup.user(value);
        move || user.is_let_in("/")
    });
}

#[test]
fn no_request_after_the_response_passes_caddy_with_a_revoked_key() {
    let setup = Setup::new(Kind::Caddy, &[], None);
    race_through(ROUNDS, &setup.clients, |value| {
        let user = setup.user(value);
        move || user.is_let_in("/")
    });
}
