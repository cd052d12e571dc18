//! The agent's own log, on stderr. Alerts never go through it.

use crate::config::{LogFormat, LogLevel};
use std::io::{self, IsTerminal};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level};
use tracing_subscriber::fmt::MakeWriter;

/// Starts the log of this process; a second call changes nothing.
pub fn start(level: LogLevel, format: LogFormat) {
    let color = super::paint::wanted(io::stderr().is_terminal());
    // A refusal says that a log is running already, which is what is wanted.
    let _ = tracing::dispatcher::set_global_default(log(level, format, color, io::stderr));
}

fn log<W>(level: LogLevel, format: LogFormat, color: bool, out: W) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let log = tracing_subscriber::fmt()
        .with_writer(out)
        .with_ansi(color)
        .with_max_level(LevelFilter::from_level(severity(level)));
    match format {
        LogFormat::Text => log.finish().into(),
        LogFormat::Json => log.json().flatten_event(true).finish().into(),
    }
}

fn severity(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LogLevel, format: LogFormat, emit: impl FnOnce()) -> String {
        let memory = Memory::default();
        let out = memory.clone();
        let dispatch = log(level, format, false, move || out.clone());
        tracing::dispatcher::with_default(&dispatch, emit);
        let bytes = memory.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn what_is_less_severe_is_left_out() {
        let text = logged(LogLevel::Warn, LogFormat::Text, || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        });

        assert!(text.contains("loud") && !text.contains("quiet"), "{text}");
    }

    #[test]
    fn json_is_one_object_a_line_whatever_the_message() {
        let text = logged(LogLevel::Info, LogFormat::Json, || {
            tracing::info!(path = "/a\nb", "one\ntwo");
        });

        let line: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert_eq!(line["message"], "one\ntwo");
        assert_eq!(line["path"], "/a\nb");
    }
}
