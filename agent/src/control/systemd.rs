//! What the service manager is told, where there is one: sd_notify(3). Without
//! `NOTIFY_SOCKET` every call does nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// How often to say [`alive`]: half of what systemd allows, as
/// sd_watchdog_enabled(3) recommends. `None` where no watchdog is set.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled()
        .map(|limit| limit / 2)
        .filter(|interval| !interval.is_zero())
}

/// The agent watches: units that wait for it may start.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// The agent's one task still turns.
pub fn alive() {
    tell(NotifyState::Watchdog);
}

/// The agent ends because it was asked to.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot tell systemd the agent's state; check NotifyAccess= of the unit");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::process::{Command, Stdio};

    /// Set in the process that a test starts to play the service: the
    /// environment of this process belongs to every test.
    const PLAYS_SERVICE: &str = "EXECWARDEN_TEST_PLAYS_SERVICE";

    fn plays_service() -> bool {
        std::env::var_os(PLAYS_SERVICE).is_some()
    }

    fn run_as_service(test: &str, environment: &[(&str, &str)]) {
        let status = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", &format!("control::systemd::tests::{test}")])
            .env_clear()
            .env(PLAYS_SERVICE, "yes")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .status()
            .expect("started");

        assert!(status.success(), "{test} with {environment:?}");
    }

    #[test]
    fn systemd_hears_ready_alive_and_stopping() {
        if plays_service() {
            ready();
            alive();
            stopping();
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("bound");
        let patience = Some(Duration::from_secs(30));
        manager.set_read_timeout(patience).expect("set");

        run_as_service(
            "systemd_hears_ready_alive_and_stopping",
            &[("NOTIFY_SOCKET", path.to_str().expect("UTF-8"))],
        );

        let mut heard = Vec::new();
        for _ in 0..3 {
            let mut buffer = [0; 64];
            let length = manager.recv(&mut buffer).expect("a message in time");
            heard.push(String::from_utf8_lossy(&buffer[..length]).trim().to_owned());
        }
        assert_eq!(heard, ["READY=1", "WATCHDOG=1", "STOPPING=1"]);
    }

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_it_asks() {
        if plays_service() {
            assert_eq!(watchdog_interval(), Some(Duration::from_secs(10)));
            return;
        }

        run_as_service(
            "the_watchdog_is_fed_twice_as_often_as_it_asks",
            &[("WATCHDOG_USEC", "20000000")],
        );
    }

    #[test]
    fn without_a_watchdog_nobody_is_fed() {
        if plays_service() {
            assert_eq!(watchdog_interval(), None);
            return;
        }

        for environment in [
            &[][..],
            &[("WATCHDOG_USEC", "often")],
            &[("WATCHDOG_USEC", "0")],
        ] {
            run_as_service("without_a_watchdog_nobody_is_fed", environment);
        }
    }
}
