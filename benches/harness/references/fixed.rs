//! The ceiling: a handler that knows its answer before it is asked.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue};
use actix_web::web::{self, Bytes, Data, Payload};
use futures_util::StreamExt as _;
use std::io;

/// What is answered, but for what actix-web adds of its own accord.
struct Answer {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// Answers with the headers and the body of this answer, to any method.
pub(super) fn serve(path: &str, answer: &str) -> io::Result<()> {
    let (path, answer) = (path.to_owned(), Data::new(parse(answer)));
    super::run(move |config| {
        config.app_data(answer.clone()).route(&path, web::route().to(give));
    })
}

/// A request's body is taken off the connection, which actix-web would close otherwise, and not looked at.
async fn give(answer: Data<Answer>, mut body: Payload) -> HttpResponse {
    while body.next().await.is_some() {}
    let mut response = HttpResponse::Ok();
    for (name, value) in &answer.headers {
        response.append_header((name.clone(), value.clone()));
    }
    response.body(answer.body.clone())
}

fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer must have a head");
    // The first line is the status.
    let headers = head.lines().skip(1).map(|line| {
        let (name, value) = line.split_once(':').expect("a header must have a name");
        let name: HeaderName = name.parse().expect("a header's name must be one");
        (name, HeaderValue::from_str(value.trim()).expect("a header's value must be one"))
    });
    let headers = headers.filter(|(name, _)| *name != CONTENT_LENGTH && *name != DATE).collect();
    Answer { headers, body: Bytes::copy_from_slice(body.as_bytes()) }
}
