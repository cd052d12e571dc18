//! Receivers of HTTP requests: ones that take, put off, refuse, hang and redirect.

use super::http_server::{Asked, Server, says, takes};
use super::*;

/// Longer than an answer is waited for.
const LONGER: Duration = Duration::from_secs(30);

fn post_to(url: &str) -> Sinks {
    let target = Target::webhook(url).expect("is a webhook");
    Sinks::with_capacity(vec![target], "node-1", Settings::new(77), None, 4096)
}

pub(super) fn post_with_spool(url: &str, folder: &Path) -> Sinks {
    let target = Target::webhook(url).expect("is a webhook");
    let spool = SpoolSettings {
        folder: folder.to_owned(),
        bound: 1 << 20,
    };
    let settings = Settings::new(77);
    Sinks::with_capacity(vec![target], "node-1", settings, Some(&spool), 4096)
}

async fn until_sent(sinks: &Sinks, count: u64) {
    until(sinks, "all sent", |s| {
        s.sent + s.lost == count && s.waiting == 0
    })
    .await;
}

/// The error that a sink's state has, soon.
async fn failure(sinks: &Sinks) -> String {
    let is_failing = |s: &SinkStatus| matches!(s.state, SinkState::Failing { .. });
    until(sinks, "a failure", is_failing).await;
    match &sinks.status()[0].state {
        SinkState::Failing { error } => error.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn records_arrive_in_lists_over_one_connection() {
    let server = Server::start(takes).await;
    let sinks = post_to(&server.url("/hook?k=v"));
    // The first goes at once, and the others together, as many as are ready.
    send(&sinks, 1..=200);
    until_sent(&sinks, 200).await;

    let numbers = server.numbers();
    assert_eq!(numbers.concat(), (1..=200).collect::<Vec<_>>());
    assert!(numbers.len() < 20, "{} requests", numbers.len());
    assert!(numbers.iter().all(|list| list.len() <= 100));
    assert_eq!(*server.connections.lock().unwrap(), 1);
    let asked = server.asked.lock().unwrap();
    assert_eq!(asked[0].path, "/hook?k=v");
    assert_eq!(asked[0].headers["content-type"], "application/json");
    assert_eq!(
        asked[0].headers["host"],
        format!("127.0.0.1:{}", server.port)
    );
    assert_eq!(asked[0].body[0]["version"], "execwarden.alert/v1");
    let status = &sinks.status()[0];
    assert_eq!((status.resent, status.lost), (0, 0));
    assert_eq!(status.state, SinkState::Connected);
}

#[tokio::test]
async fn falcosidekick_gets_one_by_one_in_falcos_words() {
    let server = Server::start(takes).await;
    let sinks = post_to(&server.url("/#form=falcosidekick"));
    send(&sinks, 1..=3);
    until_sent(&sinks, 3).await;

    let asked = server.asked.lock().unwrap();
    let numbers: Vec<_> = { asked.iter() }
        .map(|one| one.body["output_fields"]["execwarden.number"].as_u64())
        .collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3)]);
    assert_eq!(asked[0].body["priority"], "Error");
}

#[tokio::test]
async fn what_is_put_off_is_sent_again_and_the_state_says_why() {
    for status in [500, 503, 429, 408, 401, 403, 404, 302] {
        let server = Server::start(move |_, before| match before {
            0..3 => says(status, "not\nnow"),
            _ => says(204, ""),
        })
        .await;
        let sinks = post_to(&server.url("/"));
        send(&sinks, [1]);

        assert_eq!(failure(&sinks).await, format!("{status}: not\\x0anow"));
        assert_eq!(sinks.status()[0].waiting, 1);
        until_sent(&sinks, 1).await;

        assert_eq!(server.numbers(), [[1], [1], [1], [1]], "{status}");
        let status = drained(sinks).await;
        assert_eq!((status.sent, status.resent, status.lost), (1, 3, 0));
        assert_eq!(status.state, SinkState::Connected);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start(takes).await;
    let url = elsewhere.url("/");
    let server = Server::start(move |_, _| {
        let mut answer = says(307, "")?;
        answer
            .headers_mut()
            .insert("location", url.parse().unwrap());
        Some(answer)
    })
    .await;
    let sinks = post_to(&server.url("/"));
    send(&sinks, [1]);

    assert_eq!(failure(&sinks).await, "307");
    assert!(elsewhere.numbers().is_empty());
}

#[tokio::test]
async fn a_receiver_that_hangs_is_asked_again_after_ten_seconds() {
    let server = Server::start(|asked, before| match before {
        0 => None,
        _ => takes(asked, before),
    })
    .await;
    let sinks = post_to(&server.url("/"));
    send(&sinks, 1..=2);

    let sent = tokio::time::timeout(LONGER, async {
        while sinks.status()[0].sent < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    sent.await.expect("it is sent again");

    let numbers = server.numbers();
    assert_eq!(numbers[0], numbers[1][..numbers[0].len()]);
    assert_eq!(sinks.status()[0].resent, numbers[0].len() as u64);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let server = Server::start(|asked, before| match before {
        0 => {
            let mut answer = says(429, "")?;
            answer.headers_mut().insert("retry-after", 1.into());
            Some(answer)
        }
        _ => takes(asked, before),
    })
    .await;
    let sinks = post_to(&server.url("/"));
    let began = Instant::now();
    send(&sinks, [1]);
    until_sent(&sinks, 1).await;

    // Without being asked it would have waited a tenth of a second.
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn one_that_is_never_taken_is_passed_over_and_the_others_arrive() {
    for status in [400, 413, 422] {
        let server = Server::start(move |asked, before| match asked.numbers().contains(&77) {
            true => says(status, "one is bad"),
            false => takes(asked, before),
        })
        .await;
        let sinks = post_to(&server.url("/"));
        send(&sinks, 1..=200);
        until_sent(&sinks, 200).await;

        let asked = server.asked.lock().unwrap();
        let taken = asked
            .iter()
            .map(Asked::numbers)
            .filter(|list| !list.contains(&77));
        let taken: Vec<u64> = taken.flatten().collect();
        assert_eq!(taken, (1..=200).filter(|n| *n != 77).collect::<Vec<_>>());
        let alone = asked.iter().filter(|one| one.numbers() == [77]);
        assert_eq!(alone.count(), 1, "asked once alone, and no more");
        let status = &sinks.status()[0];
        assert_eq!((status.sent, status.waiting, status.lost), (199, 0, 1));
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_all_gets_them_slowly() {
    let server = Server::start(|_, _| says(400, "wrong form")).await;
    let sinks = post_to(&server.url("/"));
    send(&sinks, 1..=100);
    until(&sinks, "a loss", |s| s.lost >= 3).await;

    tokio::time::sleep(Duration::from_secs(1)).await;

    let status = &sinks.status()[0];
    assert!(status.lost < 10, "{} are lost", status.lost);
    assert_eq!(status.sent + status.waiting + status.lost, 100);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_no_failure() {
    let server = Server::start(|_, _| {
        let mut answer = says(200, "")?;
        answer
            .headers_mut()
            .insert("connection", "close".parse().unwrap());
        Some(answer)
    })
    .await;
    let sinks = post_to(&server.url("/"));
    for number in 1..=3 {
        send(&sinks, [number]);
        until_sent(&sinks, number).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(sinks.status()[0].state, SinkState::Connected);
    }

    assert_eq!(server.numbers(), [[1], [2], [3]]);
    assert_eq!(sinks.status()[0].resent, 0);
}

#[tokio::test]
async fn a_receiver_that_is_away_gets_all_when_it_comes() {
    let (listener, port) = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    };
    drop(listener);
    let sinks = post_to(&format!("http://127.0.0.1:{port}/"));
    send(&sinks, 1..=3);
    assert!(failure(&sinks).await.contains("refused"));

    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let server = Arc::new(Server::new(&listener, takes));
    let serving = Arc::clone(&server);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serving.serve(stream).await;
    });
    until_sent(&sinks, 3).await;

    assert_eq!(server.numbers().concat(), [1, 2, 3]);
}

#[tokio::test]
async fn two_at_one_host_are_told_apart_and_no_token_is_shown() {
    let server = Server::start(|asked, _| {
        let why = format!("Cannot POST {}", asked.path);
        says(404, &why)
    })
    .await;
    let urls = ["/services/t0ken-one", "/services/t0ken-two"].map(|path| server.url(path));
    let targets = urls
        .iter()
        .map(|url| Target::webhook(url).unwrap())
        .collect();
    let sinks = Sinks::with_capacity(targets, "node-1", Settings::new(77), None, 100);
    send(&sinks, [1]);
    soon("both failures", async {
        let is_failing = |s: &SinkStatus| matches!(s.state, SinkState::Failing { .. });
        while !sinks.status().iter().all(is_failing) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;

    let status = sinks.status();
    assert_ne!(status[0].target, status[1].target);
    let shown = format!("{status:?} {sinks:?}");
    assert!(shown.contains("404: Cannot POST …"), "{shown}");
    assert!(!shown.contains("t0ken"), "{shown}");
}

#[tokio::test]
async fn headers_are_read_for_each_request() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("headers");
    let server = Server::start(|asked, before| {
        match asked
            .headers
            .get("authorization")
            .is_some_and(|it| it == "Bearer n3w-one")
        {
            true => takes(asked, before),
            false => says(401, "Bearer 0ld-one is not valid"),
        }
    })
    .await;
    let sinks = post_to(&server.url(&format!("/#header-file={}", file.display())));
    send(&sinks, [1]);
    let missing = failure(&sinks).await;
    assert!(missing.starts_with("header-file /"), "{missing}");

    std::fs::write(&file, "Authorization: Bearer 0ld-one\n").unwrap();
    let is_refused = |s: &SinkStatus| match &s.state {
        SinkState::Failing { error } => error == "401: … is not valid",
        _ => false,
    };
    until(&sinks, "it is refused", is_refused).await;
    std::fs::write(&file, "Authorization: Bearer n3w-one\n").unwrap();
    until_sent(&sinks, 1).await;
}

#[tokio::test]
async fn what_was_not_confirmed_when_the_agent_ended_is_sent_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    // Of the first agent's it takes one request and answers no other.
    let server = Server::start(|asked, before| match before {
        1 => None,
        _ => takes(asked, before),
    })
    .await;
    let url = server.url("/");
    let sinks = post_with_spool(&url, dir.path());
    send(&sinks, 1..=2);
    until(&sinks, "the first are sent", |s| s.sent > 0).await;
    send(&sinks, 3..=20);
    soon("a second request", async {
        while server.numbers().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let left = sinks.drain(Instant::now()).await;
    let (sent, waiting) = (left[0].sent, left[0].waiting);
    assert_eq!(sent + waiting, 20);
    assert_eq!(sent, server.numbers()[0].len() as u64);

    let sinks = post_with_spool(&url, dir.path());
    until_sent(&sinks, waiting).await;

    let numbers = server.numbers();
    let confirmed = [&numbers[..1], &numbers[2..]].concat().concat();
    assert_eq!(confirmed, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn encrypted_requests_go_to_the_one_that_is_meant_alone() {
    let authority = encrypted::Authority::new();
    authority.sign("good", "127.0.0.1", |_| {});
    authority.sign("other", "logs.example", |_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Arc::new(Server::new(&listener, takes));
    let ca = authority.path("ca.pem");
    let url = format!("https://127.0.0.1:{}/x#ca={}", server.port, ca.display());
    let sinks = post_to(&url);
    send(&sinks, [1]);

    let why = encrypted::refused(&listener, &authority.acceptor("other", false), &sinks).await;
    assert!(why.contains("not valid for name"), "{why}");
    assert_eq!(sinks.status()[0].sent, 0);

    let stream = encrypted::accept(&listener, &authority.acceptor("good", false)).await;
    tokio::spawn(Arc::clone(&server).serve(stream));
    until_sent(&sinks, 1).await;
    assert_eq!(server.numbers(), [[1]]);
}

#[tokio::test]
async fn a_receiver_is_tried_without_sending_anything() {
    let server = Server::start(takes).await;
    let target = Target::webhook(&server.url("/")).unwrap();

    try_open(&target).await.expect("it is there");

    assert!(server.numbers().is_empty());
}
