//! Other roads to an exec than a path and a 64-bit system call. execveat is
//! among the spellings of `b09`.

use super::scene::{Scene, at, exec, shell};
use anyhow::{Result, ensure};
use std::fs;
use testbed::intruders;

pub fn b34_by_the_32_bit_call_and_from_a_32_bit_program() -> Result<()> {
    let scene = Scene::new()?;
    scene.intruder("ia32")?;
    let hello = intruders::build("hello")?;
    for path in ["/app/by64", "/app/by32"] {
        scene.image.program(&hello, path)?;
    }
    let program = scene.image.inside("/app/ia32");
    fs::write(program, program_of_32_bits(b"/app/by32\0"))?;
    scene.image.set_mode("/app/ia32", 0o755)?;
    scene.write_document(
        "  processes:\n    - path: /bin/busybox\n    - path: /opt/intruders/ia32\n",
    )?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    let output = container.exec([&at("ia32"), "/app/by64"])?;
    if output.status.code() == Some(3) {
        println!("this kernel has no 32-bit calls: nothing was tried");
        return scene.finish(agent, &[]);
    }
    ensure!(output.stdout == b"hello from /app/by64\n", "{output:?}");
    let output = exec(&container, &["/app/ia32"])?;
    ensure!(output.stdout == b"hello from /app/by32\n", "{output:?}");

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "unlisted /app/by64",
                "unlisted /app/ia32",
                "unlisted /app/by32",
            ],
        )],
    )
}

pub fn b34_by_a_binfmt_of_its_own() -> Result<()> {
    // How the kernel hands the file on: by name, open, with its own
    // credentials, with its argv[0]; and the interpreter opened beforehand.
    const FLAGS: [&str; 5] = ["", "O", "C", "P", "F"];
    let scene = Scene::new()?;
    let hello = intruders::build("hello")?;
    scene.image.program(&hello, "/app/interpreter")?;
    scene.image.program(&hello, "/app/evil")?;
    // As a shell script it would end badly.
    for flag in FLAGS {
        let text = "EVIL\nexit 9\n";
        scene.image.script(&format!("/app/listed{flag}"), text)?;
        scene.image.script(&format!("/app/unlisted{flag}"), text)?;
    }
    scene
        .write_document("  processes:\n    - path: /bin/busybox\n    - path: /app/interpreter\n")?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene.idle()?;

    // A user namespace may have its own since Linux 6.7. The machine's is not
    // touched: without one of its own there is nothing to write to.
    const OWN: &str = "unshare -Urm sh -ec 'mkdir -p /tmp/m; mount -t binfmt_misc none /tmp/m; ";
    if !container
        .exec(["sh", "-c", &format!("{OWN}:'")])?
        .status
        .success()
    {
        println!("containers cannot have a binfmt_misc here: nothing was tried");
        return scene.finish(agent, &[]);
    }
    let mut expected = Vec::new();
    for flag in FLAGS {
        for (interpreter, file, reason) in [
            ("/app/interpreter", "/app/unlisted", "script"),
            ("/app/evil", "/app/listed", "unlisted"),
        ] {
            let rule = format!(":evil:M::EVIL::{interpreter}:{flag}");
            shell(
                &container,
                &format!("{OWN} echo {rule} > /tmp/m/register; {file}{flag}'"),
            )?;
            expected.push(format!("{reason} {file}{flag}"));
        }
    }

    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    scene.finish(agent, &[(&container, &expected)])
}

/// A static program for the i386 that executes a path, which ends with a zero
/// byte, and nothing else.
fn program_of_32_bits(path: &[u8]) -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    /// The file header and one program header.
    const HEADERS: u32 = 52 + 32;
    const CODE: u32 = 31;
    let at = BASE + HEADERS + CODE;
    let argv = at + path.len() as u32;
    let len = argv + 8 - BASE;
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|it| it.to_le_bytes()).collect() };
    let halves =
        |halves: &[u16]| -> Vec<u8> { halves.iter().flat_map(|it| it.to_le_bytes()).collect() };
    [
        // 32 bits, little endian, version 1; an executable for the i386.
        b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
        halves(&[2, 3]),
        // Version, entry, where the program header is, no sections, no flags.
        words(&[1, BASE + HEADERS, 52, 0, 0]),
        halves(&[52, 32, 1, 40, 0, 0]),
        // One segment, to be loaded: the whole file, to read and to execute.
        words(&[1, 0, BASE, BASE, len, len, 5, 0x1000]),
        // mov eax, 11 (execve); mov ebx, path; mov ecx, argv
        [
            &b"\xb8\x0b\0\0\0\xbb"[..],
            &at.to_le_bytes(),
            b"\xb9",
            &argv.to_le_bytes(),
        ]
        .concat(),
        // xor edx, edx; int 0x80; then exit(1): mov eax, 1; mov ebx, 1; int 0x80
        b"\x31\xd2\xcd\x80\xb8\x01\0\0\0\xbb\x01\0\0\0\xcd\x80".to_vec(),
        path.to_vec(),
        words(&[at, 0]),
    ]
    .concat()
}
