//! The socket's file: who may use it, and who may replace it.

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 16;

/// Why the agent cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another agent does.
    #[error(
        "another agent is listening at {}; stop it, or choose another socket with --control",
        path.display()
    )]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// What stands there is no socket, and is left alone.
    #[error(
        "{} is there and is no socket; move it away, or choose another path with --control",
        path.display()
    )]
    NoSocket {
        /// The file.
        path: PathBuf,
    },
    /// Others could replace the socket in its folder.
    #[error(
        "the control socket's folder {} may be written by others than root; \
         use a folder that only root may write, such as /run/execwarden",
        folder.display()
    )]
    OpenFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The kernel refused a step.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The step.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl BindError {
    fn io<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source: source.into(),
        }
    }
}

/// Listens at `path`, which root alone may use (0600), in a folder that root
/// alone may write; the folder is made (0755) if it is missing. A socket that
/// a dead agent left is replaced; a living one's is not. Two agents that start
/// in the same moment are kept apart by the lock on the state folder, not here.
pub(super) fn listen_at(path: &Path) -> Result<UnixListener, BindError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    make_folder(folder).map_err(BindError::io("make the folder", folder))?;
    check_folder(folder)?;
    remove_dead(path)?;

    let address = SocketAddrUnix::new(path).map_err(BindError::io("use as a socket", path))?;
    let socket = stream_socket().map_err(BindError::io("make the socket", path))?;
    bind(&socket, &address).map_err(BindError::io("make the socket", path))?;
    // Before `listen`: until then nobody can connect.
    fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(BindError::io("restrict the socket", path))?;
    listen(&socket, BACKLOG).map_err(BindError::io("listen at", path))?;
    Ok(socket.into())
}

/// Connects without waiting: a full queue of a stuck agent is
/// [`io::ErrorKind::WouldBlock`]. The stream itself blocks.
pub(super) fn connect_to(path: &Path) -> io::Result<UnixStream> {
    let socket = stream_socket()?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn stream_socket() -> rustix::io::Result<OwnedFd> {
    socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(folder)
}

fn check_folder(folder: &Path) -> Result<(), BindError> {
    let metadata = fs::metadata(folder).map_err(BindError::io("look at the folder", folder))?;
    let own = [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
    if own && metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(BindError::OpenFolder {
        folder: folder.to_owned(),
    })
}

fn remove_dead(path: &Path) -> Result<(), BindError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BindError::io("look at", path)(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NoSocket {
            path: path.to_owned(),
        });
    }
    match connect_to(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(BindError::io("remove the dead socket", path))
        }
        Ok(_) => Err(BindError::Taken {
            path: path.to_owned(),
        }),
        Err(error) if error.raw_os_error() == Some(Errno::AGAIN.raw_os_error()) => {
            Err(BindError::Taken {
                path: path.to_owned(),
            })
        }
        Err(error) => Err(BindError::io("try the old socket", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o777
    }

    #[test]
    fn the_socket_is_roots_alone_and_the_folder_is_made() {
        let outer = folder();
        let path = outer.path().join("new/control.sock");

        let _listener = listen_at(&path).expect("listening");

        assert_eq!(mode_of(&path), 0o600);
        assert_eq!(mode_of(&outer.path().join("new")), 0o755);
    }

    #[test]
    fn a_dead_agents_socket_is_replaced() {
        let folder = folder();
        let path = folder.path().join("s");
        drop(listen_at(&path).expect("listening"));
        assert!(path.exists());

        let _listener = listen_at(&path).expect("listening again");

        assert!(connect_to(&path).is_ok());
    }

    #[test]
    fn a_living_agents_socket_is_not() {
        let folder = folder();
        let path = folder.path().join("s");
        let _living = listen_at(&path).expect("listening");

        let error = listen_at(&path).expect_err("taken").to_string();

        assert!(
            error.starts_with("another agent is listening at"),
            "{error}"
        );
        assert!(connect_to(&path).is_ok());
    }

    #[test]
    fn an_agent_too_busy_to_accept_is_alive() {
        let folder = folder();
        let path = folder.path().join("s");
        let _living = listen_at(&path).expect("listening");
        let mut waiting = Vec::new();
        while let Ok(stream) = connect_to(&path) {
            waiting.push(stream);
        }

        let error = listen_at(&path).expect_err("taken");

        assert!(matches!(error, BindError::Taken { .. }), "{error}");
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = folder();
        let path = folder.path().join("s");
        fs::write(&path, "precious").expect("written");

        let error = listen_at(&path).expect_err("no socket");

        assert!(matches!(error, BindError::NoSocket { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("there"), "precious");
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let folder = folder();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).expect("set");

        let error = listen_at(&folder.path().join("s")).expect_err("open");

        assert!(matches!(error, BindError::OpenFolder { .. }), "{error}");
    }
}
