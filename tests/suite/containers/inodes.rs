//! Inode numbers that come again.

use super::disk::Disk;
use super::scene::{Scene, shell};
use anyhow::{Context, Result, ensure};

/// Runs `$D/listed` until it is known by its inode, deletes it, and makes other
/// files until one, `$F`, has its number; prints how many it took and runs it.
/// Where somebody else on the disk got the number first, it begins again.
const REUSE: &str = r#"
mkdir -p $D/other
for round in 1 2 3 4 5; do
    cp /app/worker $D/listed; $D/listed; $D/listed
    inode=$(stat -c %i $D/listed)
    rm $D/listed
    made=0
    while [ $made -lt 50 ]; do
        made=$((made + 1))
        cp /app/worker $F
        [ $(stat -c %i $F) != $inode ] || break 2
        mv $F $D/kept$round.$made
    done
    made=never
done
[ $made != never ] || cp /app/worker $F
$F
echo $made
"#;

pub fn b12_another_file_with_the_number_of_a_known_one() -> Result<()> {
    let Some(disk) = Disk::new()? else {
        println!("there is no mke2fs or no loop device here: nothing was tried");
        return Ok(());
    };
    let scene = Scene::new()?;
    let places = [
        ("/disk", "volume"),
        ("/var", "upper"),
        ("/scratch", "tmpfs"),
    ];
    let mut document = "  processes:\n    - path: /bin/busybox\n".to_owned();
    for (folder, layer) in places {
        document += &format!("    - path: {folder}/listed\n      layer: {layer}\n");
    }
    scene.write_document(&document)?;
    let agent = scene.agent(&["--enforce"])?;
    let container = scene
        .container(&["sleep", "1000"])
        .volume(&disk.at(), "/disk")
        .tmpfs("/scratch")
        .run()?;

    for (folder, layer) in places {
        // The second has even the same name, in another folder.
        for evil in ["evil", "other/listed"] {
            let line = format!("D={folder}; F=$D/{evil}; {REUSE}");
            let printed = String::from_utf8(shell(&container, &line)?.stdout)?;
            let made = printed.lines().last().context("how many it took")?;
            // A tmpfs counts on: its numbers do not come again.
            ensure!(
                (made != "never") == (layer != "tmpfs"),
                "{layer}: {printed}"
            );
        }
    }

    scene.finish(
        agent,
        &[(
            &container,
            &[
                "unlisted /disk/evil",
                "unlisted /disk/other/listed",
                "drift /var/evil",
                "drift /var/other/listed",
                "unlisted /scratch/evil",
                "unlisted /scratch/other/listed",
            ],
        )],
    )
}
