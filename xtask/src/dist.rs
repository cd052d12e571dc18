//! `cargo xtask dist`: what a release is made of, in `target/dist`: a tar file for
//! any node, a Debian package, and their checksums.

mod debian;

use crate::archive::{Archive, gzip};
use crate::digest::sha256;
use crate::image::LICENSES;
use crate::{build, command};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Builds the program, packs it and says where all is.
pub fn run() -> Result<()> {
    let program = build::release_without_libraries()?;
    let folder = testbed::target_folder()?.join("dist");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;

    let name = format!(
        "execwarden-{}-{}-linux",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH
    );
    let file = folder.join(format!("{name}.tar.gz"));
    fs::write(&file, gzip(&tree(&program, &name)?.tar()?)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    let package = debian::build(&program, &folder)?;

    let mut sums = String::new();
    for file in [&file, &package] {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        sums += &format!("{}  {name}\n", sha256(&bytes));
        println!("{}", file.display());
    }
    let file = folder.join("SHA256SUMS");
    fs::write(&file, sums).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{}", file.display());
    Ok(())
}

/// The program with what deploys and describes it, below a folder of this name.
fn tree(program: &Path, name: &str) -> Result<Archive> {
    let workspace = command::workspace();
    let mut tree = Archive::default();
    tree.copy(program, &format!("{name}/execwarden"), 0o755)?;
    for folder in ["deploy", "docs", "allowlists"] {
        tree.copy_folder(&workspace.join(folder), &format!("{name}/{folder}"))?;
    }
    let texts = [("README.md", "README.md"), ("CHANGELOG.md", "CHANGELOG.md")];
    for (file, to) in texts.into_iter().chain(LICENSES) {
        tree.copy(&workspace.join(file), &format!("{name}/{to}"), 0o644)?;
    }
    Ok(tree)
}
