//! PostgreSQL, whose data folder the first start makes on the empty volume.
//!
//! Not by `pg_createcluster`: Debian's script asks `ldd` about PostgreSQL, and `ldd`
//! runs the program loader by itself, which the agent reports and never learns.

use super::{File, Life, Software};

const ENTRYPOINT: &str = r#"#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
    install -d -o postgres -g postgres -m 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    /usr/lib/postgresql/15/bin/initdb --auth-local=peer --auth-host=trust
fi
exec /usr/lib/postgresql/15/bin/postgres "$@"
"#;

pub(super) const SOFTWARE: Software = Software {
    name: "postgresql",
    packages: &["postgresql-15"],
    clients: &[],
    files: &[File {
        path: "/usr/local/bin/entrypoint.sh",
        text: ENTRYPOINT,
    }],
    prepare: "
        if pg_lsclusters -h | grep -q main; then pg_dropcluster --stop 15 main; fi
    ",
    start: &["/usr/local/bin/entrypoint.sh"],
    env: &["LANG=C.UTF-8", "PGDATA=/var/lib/postgresql/data"],
    user: 0,
    volumes: &["/var/lib/postgresql"],
    life: Life::Service {
        ready: "pg_isready -q -h 127.0.0.1",
        probes: &[
            &["pg_isready", "-h", "127.0.0.1"],
            &[
                "sh",
                "-c",
                "exec pg_isready -U postgres -h 127.0.0.1 -p 5432",
            ],
        ],
        load: "
            export PGHOST=127.0.0.1 PGUSER=postgres
            psql -qc 'drop database if exists shop'
            createdb shop
            pgbench -qi -s 2 shop
            pgbench -c 4 -T 3 shop
            pg_dump shop > /dev/null
            vacuumdb --analyze shop
            psql -qc 'create extension if not exists pgcrypto' shop
            psql -qc 'select pg_reload_conf()' -c 'checkpoint' -c 'select pg_switch_wal()'
            rm -rf /tmp/backup
            pg_basebackup -D /tmp/backup
        ",
    },
    window: 75,
};
