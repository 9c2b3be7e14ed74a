//! Requests of real proxies, byte for byte except for `Connection: close`: recorded from nginx 1.22, Caddy 2.6, Traefik
//! 3.7 and Envoy 1.40, with a client that sent `POST /x?y=1`. The forms are documented at
//! nginx.org/en/docs/http/ngx_http_auth_request_module.html, caddyserver.com/docs/caddyfile/directives/forward_auth,
//! doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth and
//! envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto.

use super::helpers::*;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const NGINX: &str = "GET /auth/nginx HTTP/1.1\nX-Forwarded-For: 127.0.0.1\nHost: keystead\nUser-Agent: curl/7.88.1\n\
    Accept: */*\nX-API-Key: KEY\nContent-Type: application/x-www-form-urlencoded";
/// Without `proxy_http_version 1.1`.
const OLD_NGINX: &str =
    "GET /auth/nginx HTTP/1.0\nHost: 127.0.0.1:8080\nUser-Agent: curl/7.88.1\nAccept: */*\nX-API-Key: KEY";
const CADDY: &str = "GET /auth/forward HTTP/1.1\nHost: localhost\nUser-Agent: curl/7.88.1\nAccept: */*\n\
    Confident_api_key: KEY\nContent-Type: application/x-www-form-urlencoded\nX-Forwarded-For: 127.0.0.1\n\
    X-Forwarded-Host: localhost\nX-Forwarded-Method: POST\nX-Forwarded-Proto: http\nX-Forwarded-Uri: /x?y=1\n\
    Accept-Encoding: gzip";
const TRAEFIK: &str = "GET /auth/forward HTTP/1.1\nHost: 127.0.0.1:8080\nUser-Agent: curl/7.88.1\nAccept: */*\n\
    Authorization: Bearer KEY\nContent-Type: application/x-www-form-urlencoded\nX-Auth-Project-Id: forged\n\
    X-Forwarded-For: 127.0.0.1\nX-Forwarded-Host: localhost\nX-Forwarded-Method: POST\nX-Forwarded-Port: 80\n\
    X-Forwarded-Proto: http\nX-Forwarded-Uri: /x?y=1\nX_auth_key_id: forged\nAccept-Encoding: gzip";
const ENVOY: &str = "POST /auth/envoy/x?y=1 HTTP/1.1\nhost: localhost\ncontent-length: 0\nx-forwarded-for: 192.0.2.2\n\
    confident_api_key: KEY\nx-envoy-internal: true\nx-envoy-expected-rq-timeout-ms: 5000";

fn send(server: &Server, request: &str, key: &str) -> String {
    let head = format!("{request}\nConnection: close\n\n").replace('\n', "\r\n").replace("KEY", key);
    server.raw(head.as_bytes())
}

#[test]
fn recorded_requests_of_proxies_are_understood() {
    let server = Server::start();
    let key = server.first_key();
    for request in [NGINX, OLD_NGINX, CADDY, TRAEFIK, ENVOY] {
        let answer = send(&server, request, &key);
        let (status, head) = answer.split_once("\r\n").expect("a head");
        assert!(status.ends_with(" 200 OK"), "{request}\n\n{answer}");
        assert!(head.contains("x-auth-key-name: First key\r\n"), "{answer}");
        assert!(head.contains("x-auth-project-id: \r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "no body: {answer}");
        let answer = send(&server, request, "nonsense");
        assert!(answer.split("\r\n").next().is_some_and(|status| status.contains(" 401 ")), "{request}\n\n{answer}");
        assert!(!answer.to_lowercase().contains("x-auth-"), "{answer}");
    }
}

#[test]
fn every_path_and_query_of_an_envoy_client_is_accepted() {
    let server = Server::start();
    let key = server.first_key();
    let long = format!("/{}", "a".repeat(4_000));
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        for path in [
            "",
            "/",
            "//",
            "/../../v1/organization",
            "/%2e%2e/%2e%2e/v1/organization",
            "/a%2Fb%ff%00%zz",
            "/?",
            "?scope=project",
            "/a?scope=project&organization=org_0000000000000000&x",
            "/a;b=c/{d}/'e'/f|g",
            &long,
        ] {
            let request = ENVOY.replace("POST ", &format!("{method} ")).replace("/x?y=1", path);
            let answer = send(&server, &request, &key);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{method} {path}: {answer}");
            assert!(
                answer.contains("x-auth-key-id: 1\r\n") && answer.ends_with("\r\n\r\n"),
                "{method} {path}: {answer}"
            );
            let answer = send(&server, &request, "nonsense");
            assert!(answer.starts_with("HTTP/1.1 401 "), "{method} {path}: {answer}");
        }
    }
}

#[test]
fn a_response_does_not_wait_for_an_announced_body() {
    let server = Server::start();
    let key = server.first_key();
    for request in [NGINX, CADDY, TRAEFIK, ENVOY] {
        for body in ["content-length: 1000000", "transfer-encoding: chunked"] {
            let request = request.replace("\ncontent-length: 0", "").replace("KEY", &key);
            let mut stream = TcpStream::connect(server.address()).expect("a connection");
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
            stream.write_all(format!("{request}\n{body}\n\n").replace('\n', "\r\n").as_bytes()).expect("a request");
            let mut status = String::new();
            BufReader::new(stream).read_line(&mut status).expect("an answer");
            assert_eq!(status, "HTTP/1.1 200 OK\r\n", "{request}\n{body}");
        }
    }
}
