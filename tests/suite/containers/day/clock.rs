//! A wall clock of the agent's own, which can be set: the machine's is not the
//! test's to set. A library that is loaded into the agent adds to what the clock
//! says.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Says what the kernel says, and for the wall clock adds the seconds that stand
/// in a file.
const SOURCE: &str = r#"
use std::ffi::{c_char, c_int, c_long, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn getenv(name: *const c_char) -> *const c_char;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn mmap(at: *mut c_void, len: usize, prot: c_int, flags: c_int, fd: c_int, from: i64) -> *mut c_void;
}

#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: c_long = 228;
#[cfg(target_arch = "aarch64")]
const CLOCK_GETTIME: c_long = 113;

static OFFSET: AtomicPtr<i64> = AtomicPtr::new(std::ptr::null_mut());

fn offset() -> i64 {
    let mut at = OFFSET.load(Ordering::Relaxed);
    if at.is_null() {
        unsafe {
            let path = getenv(c"EXECWARDEN_CLOCK".as_ptr());
            if path.is_null() { return 0; }
            let fd = open(path, 0);
            if fd < 0 { return 0; }
            let map = mmap(std::ptr::null_mut(), 8, 1, 1, fd, 0);
            if map as isize == -1 { return 0; }
            at = map.cast();
        }
        OFFSET.store(at, Ordering::Relaxed);
    }
    unsafe { at.read_volatile() }
}

#[unsafe(no_mangle)]
pub extern "C" fn clock_gettime(clock: c_int, time: *mut [i64; 2]) -> c_int {
    unsafe {
        let result = syscall(CLOCK_GETTIME, clock, time) as c_int;
        if result == 0 && clock == 0 { (*time)[0] += offset(); }
        result
    }
}
"#;

/// The clock; what it is set by stands in a file.
pub struct Clock {
    folder: TempDir,
}

impl Clock {
    /// One that says what the machine's does.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let clock = Self { folder };
        let source = clock.folder.path().join("clock.rs");
        fs::write(&source, SOURCE).context("cannot write the clock")?;
        let status = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
            .args(["--edition", "2024", "--crate-type", "cdylib", "-O"])
            .args(["-C", "panic=abort", "-o"])
            .arg(clock.library())
            .arg(&source)
            .status()
            .context("cannot start rustc")?;
        ensure!(status.success(), "the clock cannot be built: {status}");
        fs::write(clock.offset(), 0i64.to_ne_bytes()).context("cannot write the time")?;
        Ok(clock)
    }

    /// What an agent's environment has to have.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("LD_PRELOAD", self.library().display().to_string()),
            ("EXECWARDEN_CLOCK", self.offset().display().to_string()),
        ]
    }

    /// Sets it forward by so many seconds, or back.
    pub fn set_forward(&self, seconds: i64) -> Result<()> {
        let bytes = fs::read(self.offset()).context("cannot read the time")?;
        let before = <[u8; 8]>::try_from(&bytes[..]).context("it is no time")?;
        let after = i64::from_ne_bytes(before) + seconds;
        // In place: the agent has mapped the file.
        let file = fs::OpenOptions::new().write(true).open(self.offset())?;
        std::os::unix::fs::FileExt::write_all_at(&file, &after.to_ne_bytes(), 0)
            .context("cannot write the time")
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("clock.so")
    }

    fn offset(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}
