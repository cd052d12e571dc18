//! What a runtime says of a container through CRI, the socket that kubelet
//! drives it by.
//!
//! - [`Cri`]: questions in, replies out, and how it stands with the socket
//! - `asker`: the task that asks, boundedly many at once
//! - `client`: one question over the socket
//! - `facts`: an answer, checked and made into a description (pure)
//! - `messages`: CRI v1 on the wire
//!
//! It only lists: nothing of a runtime is ever changed. A server that is slow,
//! away or wrong costs time and names, never an exec: who asks waits as long as
//! it likes and goes on without.

mod asker;
mod client;
mod facts;
pub mod messages;

pub use asker::{Cri, CriState, Question, Reply, usual_socket};
pub use client::CriError;

use client::Client;
use std::path::Path;

/// Asks a runtime for a container that there is none of.
///
/// # Errors
/// Why it does not answer.
pub async fn try_cri(socket: &Path) -> Result<(), CriError> {
    Client::to(socket).look_up("execwarden").await.map(drop)
}
