//! Calls from web pages: preflight requests carry no key, and a page must be able to read a refusal.

use super::guide::Addition;
use super::helpers::Answer;
use super::proxy::Kind;
use super::proxy_setup::Setup;

const ORIGIN: (&str, &str) = ("Origin", "https://web.example.com");
const OTHER_ORIGIN: (&str, &str) = ("Origin", "https://other.example.com");
const METHOD: (&str, &str) = ("Access-Control-Request-Method", "PUT");
const HEADERS: (&str, &str) = ("Access-Control-Request-Headers", "x-api-key");

/// With every proxy that answers preflight requests.
fn with_each(test: impl Fn(&Setup)) {
    for kind in Kind::ALL {
        println!("with {kind:?}");
        test(&Setup::with_additions(kind, &[Addition::Cors]));
    }
}

/// Holds that pages of the origin may read the answer, and what they may read of it.
#[track_caller]
fn is_readable(setup: &Setup, answer: &Answer) {
    let origins: Vec<&str> =
        answer.headers.iter().filter(|(n, _)| n == "access-control-allow-origin").map(|(_, v)| v.as_str()).collect();
    assert_eq!(origins, [ORIGIN.1], "{:?}: {answer:?}", setup.kind);
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default().replace(' ', "");
    assert_eq!(exposed, "Retry-After,WWW-Authenticate", "{:?}: {answer:?}", setup.kind);
}

#[test]
fn the_proxy_answers_preflight_requests_of_the_origin_itself() {
    with_each(|setup| {
        let before = setup.app.requests();
        let answer = setup.send("OPTIONS", "/some/path?and=query", &[ORIGIN, METHOD, HEADERS], b"");
        assert!([200, 204].contains(&answer.status), "{:?}: {answer:?}", setup.kind);
        is_readable(setup, &answer);
        let list = |name| answer.header(name).unwrap_or_default().replace(' ', "");
        assert_eq!(list("access-control-allow-methods"), "GET,HEAD,POST,PUT,PATCH,DELETE", "{:?}", setup.kind);
        assert_eq!(list("access-control-allow-headers"), "Authorization,X-API-Key,Content-Type", "{:?}", setup.kind);
        assert_eq!(setup.app.requests(), before, "{:?} passed it on", setup.kind);
    });
}

#[test]
fn a_preflight_request_of_another_origin_is_not_allowed() {
    with_each(|setup| {
        let before = setup.app.requests();
        let answer = setup.send("OPTIONS", "/", &[OTHER_ORIGIN, METHOD, HEADERS], b"");
        // Traefik answers it all the same, which its guide says.
        assert_eq!(answer.status, if setup.kind == Kind::Traefik { 200 } else { 401 }, "{:?}", setup.kind);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{:?}: {answer:?}", setup.kind);
        assert_eq!(setup.app.requests(), before, "{:?} passed it on", setup.kind);
    });
}

#[test]
fn a_request_that_is_not_a_preflight_request_needs_a_key() {
    with_each(|setup| {
        for headers in [&[] as &[_], &[ORIGIN], &[METHOD], &[METHOD, HEADERS]] {
            setup.refused(401, || setup.send("OPTIONS", "/", headers, b""));
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let before = setup.app.requests();
            let overridden = ("X-HTTP-Method-Override", "OPTIONS");
            let answer = setup.send(method, "/", &[ORIGIN, METHOD, HEADERS, overridden], b"");
            assert_eq!(answer.status, 401, "{:?} {method}: {answer:?}", setup.kind);
            assert_eq!(setup.app.requests(), before, "{:?} passed {method} on", setup.kind);
        }
        let key = setup.clients.mint("a").1;
        setup.let_in(&setup.send("OPTIONS", "/", &[ORIGIN, ("X-API-Key", &key)], b""));
    });
}

#[test]
fn a_page_can_read_answers_and_refusals() {
    with_each(|setup| {
        let (id, key) = setup.clients.mint("a");
        setup.clients.change(id, serde_json::json!({"rateLimit": {"limit": 1, "windowInSeconds": 600}})).data();
        let ask = |key: &str| setup.send("GET", "/", &[ORIGIN, ("X-API-Key", key)], b"");
        let administrator = setup.admin.mint("a").1;
        for (key, status) in [(&key, 200), (&key, 429), (&administrator, 403), (&"nonsense".to_owned(), 401)] {
            let answer = ask(key);
            assert_eq!(answer.status, status, "{:?}: {answer:?}", setup.kind);
            is_readable(setup, &answer);
            assert_eq!(answer.header("retry-after").is_some(), status == 429, "{:?}: {answer:?}", setup.kind);
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{:?}: {answer:?}", setup.kind);
        }
        let answer = setup.send("GET", "/", &[OTHER_ORIGIN], b"");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{:?}: {answer:?}", setup.kind);
    });
}

#[test]
fn a_page_can_read_that_keystead_is_stopped() {
    for kind in Kind::ALL {
        println!("with {kind:?}");
        let mut setup = Setup::with_additions(kind, &[Addition::Cors]);
        setup.keystead.take().expect("it runs").kill();
        let answer = setup.send("GET", "/", &[ORIGIN, ("X-API-Key", "nonsense")], b"");
        assert_eq!(answer.status, if kind == Kind::Traefik { 500 } else { 503 }, "{kind:?}: {answer:?}");
        is_readable(&setup, &answer);
    }
}
