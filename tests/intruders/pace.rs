//! pace CPU: stays on one CPU, and runs programs as it is told on its input, one
//! after the other (posix_spawn, which does not copy the address space; then
//! waitpid). It executes nothing else, so that whoever counts the execs of its
//! cgroup counts these.
//!
//! `TIMES PROGRAM` runs one program that often; `each TIMES PROGRAM` runs
//! PROGRAM0, PROGRAM1 and so on. The answer is a line of two numbers: the
//! nanoseconds it took, and how many ended well.

#[path = "libc/mod.rs"]
mod libc;

use std::ffi::{CString, c_int, c_void};
use std::io::{BufRead, Write};
use std::time::Instant;

unsafe extern "C" {
    fn sched_setaffinity(pid: c_int, size: usize, mask: *const c_void) -> c_int;
}

fn main() {
    let cpu = std::env::args().nth(1).and_then(|cpu| cpu.parse().ok());
    stay_on(cpu.expect("usage: pace CPU"));
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("cannot read the input");
        let (nanoseconds, ended_well) = follow(&line);
        println!("{nanoseconds} {ended_well}");
        std::io::stdout().flush().expect("cannot answer");
    }
}

fn follow(line: &str) -> (u128, usize) {
    let number = |word: &str| word.parse::<usize>().expect("TIMES is a number");
    let words: Vec<&str> = line.splitn(3, ' ').collect();
    // Made before the clock starts.
    let (times, programs) = match words[..] {
        ["each", times, program] => {
            let names = (0..number(times)).map(|n| string(format!("{program}{n}")));
            (number(times), names.collect::<Vec<_>>())
        }
        [times, program] => (number(times), vec![string(program.to_owned())]),
        _ => panic!("not an order: {line}"),
    };

    let begun = Instant::now();
    let ended_well = (0..times)
        .filter(|n| run(&programs[n % programs.len()]))
        .count();
    (begun.elapsed().as_nanos(), ended_well)
}

fn string(path: String) -> CString {
    CString::new(path).expect("a line has no zero byte")
}

fn run(program: &CString) -> bool {
    // SAFETY: the string ends with a zero byte.
    unsafe { libc::run(program.as_ptr(), program.as_ptr()) == Some(0) }
}

fn stay_on(cpu: usize) {
    // `CPU_SETSIZE` bits.
    let mut mask = [0u64; 16];
    mask[cpu / 64] = 1 << (cpu % 64);
    // SAFETY: the mask has the size that is told.
    let told = unsafe { sched_setaffinity(0, size_of_val(&mask), mask.as_ptr().cast()) };
    assert_eq!(told, 0, "cannot stay on CPU {cpu}");
}
