//! Fuzzing of what may be sent to the control socket: it is understood, or
//! answered with what is wrong with it.

use super::{REQUEST_MAX, decode, read_request};
use crate::control::protocol::{RefusalKind, Request, decode_response, encode_response};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// All that a client sends on one connection.
pub fn control_request(bytes: &[u8]) {
    let Some(line) = read(bytes) else {
        assert!(bytes.is_empty());
        return;
    };
    assert!(bytes.starts_with(&line) && line.len() <= REQUEST_MAX + 1);
    let breaks = line.iter().filter(|b| **b == b'\n').count();
    assert!(breaks <= 1 && (breaks == 0 || line.ends_with(b"\n")));

    match decode(&line) {
        Ok(request) => {
            let line = request.encode();
            assert!(line.ends_with('\n') && line.lines().count() == 1);
            assert_eq!(Request::decode(line.as_bytes()), Ok(request), "{line}");
        }
        Err(refusal) => {
            assert_eq!(refusal.kind, RefusalKind::BadRequest);
            let response = Err(refusal);
            let line = encode_response(&response);
            assert_eq!(line.iter().position(|b| *b == b'\n'), Some(line.len() - 1));
            assert_eq!(decode_response(&line), Ok(response));
        }
    }
}

/// As the server reads it; bytes that are all there make nobody wait.
fn read(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let reading = pin!(read_request(&mut bytes));
    match reading.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(line) => line.expect("memory can be read"),
        Poll::Pending => panic!("it waits for more than there is"),
    }
}
