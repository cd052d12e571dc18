//! Redis with both of its ways to keep data, behind an entrypoint that gives up
//! root.

use super::{File, Life, Software};

/// As images of Redis have it: the folder is made Redis's own, then root is
/// given up.
const ENTRYPOINT: &str = r#"#!/bin/sh
set -e
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find /data \! -user redis -exec chown redis '{}' +
    exec setpriv --reuid=redis --regid=redis --clear-groups -- "$0" "$@"
fi
exec "$@"
"#;

pub(super) const SOFTWARE: Software = Software {
    name: "redis",
    packages: &["redis-server", "redis-tools"],
    clients: &[],
    files: &[File {
        path: "/usr/local/bin/docker-entrypoint.sh",
        text: ENTRYPOINT,
    }],
    prepare: "",
    start: &[
        "/usr/local/bin/docker-entrypoint.sh",
        "redis-server",
        "--dir",
        "/data",
        "--appendonly",
        "yes",
        "--save",
        "1 1",
    ],
    env: &[],
    user: 0,
    volumes: &["/data"],
    life: Life::Service {
        ready: "redis-cli ping | grep -q PONG",
        probes: &[
            &["redis-cli", "ping"],
            &["sh", "-c", "redis-cli ping | grep PONG"],
        ],
        load: "
            redis-benchmark -q -n 2000 -P 8
            redis-cli set key value
            redis-cli eval 'return redis.call(\"get\", KEYS[1])' 1 key
            redis-cli bgsave
            redis-cli bgrewriteaof
            redis-cli config set maxmemory 64mb
            until redis-cli info persistence | grep -q 'bgsave_in_progress:0' &&
                redis-cli info persistence | grep -q 'aof_rewrite_in_progress:0'
            do
                sleep 0.2
            done
        ",
    },
    window: 25,
};
