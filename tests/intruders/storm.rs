//! storm TIMES PROGRAM [ARG…]: runs PROGRAM that often, one after the other, as
//! fast as it can (posix_spawn, which does not copy the address space), and
//! prints how many ended well.

fn main() {
    let mut args = std::env::args_os().skip(1);
    let times: Option<u32> = args.next().and_then(|times| times.to_str()?.parse().ok());
    let (Some(times), Some(program)) = (times, args.next()) else {
        eprintln!("usage: storm TIMES PROGRAM [ARG…]");
        std::process::exit(2);
    };
    let args: Vec<_> = args.collect();
    // The standard library uses posix_spawn where nothing forbids it.
    let mut command = std::process::Command::new(program);
    command.args(args).stdout(std::process::Stdio::null());
    let ended_well = (0..times)
        .filter(|_| command.status().is_ok_and(|status| status.success()))
        .count();
    println!("{ended_well}");
}
