//! Debian's cron with a job of its own and the jobs that packages bring. Their
//! times are moved so that all of them are due every minute: what a month
//! would show is there in two minutes.

use super::{File, Life, Software};

const JOB: &str = r#"#!/bin/bash
# Packs what is worth keeping, checks it, and keeps the last three.
set -euo pipefail
stamp=$(date +%Y%m%dT%H%M%S)
target="/backup/etc-$stamp.tar.gz"
tar --create --gzip --file "$target" --directory / etc
gzip --test "$target"
sha256sum "$target" > "$target.sha256"
find /backup -name 'etc-*.tar.gz' -mtime +30 -delete
ls -1t /backup/etc-*.tar.gz | tail -n +4 | xargs --no-run-if-empty rm -f
echo "backup $stamp: $(du -h "$target" | cut -f 1)"
touch "/backup/done"
"#;

const CRONTAB: &str = "\
SHELL=/bin/sh
* * * * * root /usr/local/bin/backup >> /var/log/backup.log 2>&1
";

const LOGROTATE: &str = "\
/var/log/backup.log {
    daily
    rotate 3
    compress
    missingok
    postrotate
        touch /backup/rotated
    endscript
}
";

pub(super) const SOFTWARE: Software = Software {
    name: "cron",
    packages: &["cron", "logrotate"],
    clients: &[],
    files: &[
        File {
            path: "/usr/local/bin/backup",
            text: JOB,
        },
        File {
            path: "/etc/cron.d/backup",
            text: CRONTAB,
        },
        // apt's own job would wait for up to half an hour.
        File {
            path: "/etc/apt/apt.conf.d/99no-sleep",
            text: "APT::Periodic::RandomSleep \"0\";\n",
        },
        File {
            path: "/etc/logrotate.d/backup",
            text: LOGROTATE,
        },
    ],
    prepare: "
        sed -i -E 's/^[0-9]+.*root/* * * * * root/' /etc/crontab
        grep -q '^[*] [*] [*] [*] [*] root' /etc/crontab
        echo begin > /var/log/backup.log
        mkdir -p /var/lib/logrotate
        printf 'logrotate state -- version 2\\n\"/var/log/backup.log\" 2020-1-1-0:0:0\\n' > /var/lib/logrotate/status
    ",
    start: &["cron", "-f", "-L", "15"],
    env: &[],
    user: 0,
    volumes: &["/backup"],
    life: Life::Service {
        ready: ":",
        probes: &[],
        load: "
            rm -f /backup/done /backup/rotated
            until test -e /backup/done && test -e /backup/rotated; do sleep 1; done
            sleep 5
        ",
    },
    window: 200,
};
