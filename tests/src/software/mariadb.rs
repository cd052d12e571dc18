//! MariaDB, whose data folder the first start makes on the empty volume.

use super::{File, Life, Software};

const ENTRYPOINT: &str = r#"#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
    install -d -o mysql -g mysql /var/lib/mysql /run/mysqld
    exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
fi
if [ ! -d /var/lib/mysql/mysql ]; then
    mariadb-install-db --skip-test-db --auth-root-authentication-method=normal
fi
exec mariadbd "$@"
"#;

pub(super) const SOFTWARE: Software = Software {
    name: "mariadb",
    packages: &["mariadb-server"],
    clients: &["mariadb-client"],
    files: &[File {
        path: "/usr/local/bin/entrypoint.sh",
        text: ENTRYPOINT,
    }],
    prepare: "rm -rf /var/lib/mysql/*",
    start: &["/usr/local/bin/entrypoint.sh"],
    env: &[],
    user: 0,
    volumes: &["/var/lib/mysql"],
    life: Life::Service {
        ready: "mariadb-admin -h 127.0.0.1 ping",
        probes: &[
            &["mariadb-admin", "ping"],
            &["mariadb", "-e", "select 1"],
        ],
        load: "
            mariadb -h 127.0.0.1 -e 'drop database if exists shop; create database shop'
            mariadb-slap -h 127.0.0.1 --auto-generate-sql --number-of-queries 500 --concurrency 5
            mariadb -h 127.0.0.1 shop -e 'create table t (a int); insert into t select seq from seq_1_to_1000'
            mariadb-dump -h 127.0.0.1 --all-databases > /dev/null
            mariadb-check -h 127.0.0.1 --all-databases > /dev/null
            mariadb -h 127.0.0.1 -e 'flush tables; flush logs; optimize table shop.t'
        ",
    },
    window: 75,
};
