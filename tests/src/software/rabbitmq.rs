//! RabbitMQ by the package's own scripts: the inner one to start it, which stops it
//! at SIGTERM; the outer ones, which give up root, as probes.

use super::{File, Life, Software};

const ENTRYPOINT: &str = r#"#!/bin/sh
set -e
chown -R rabbitmq:rabbitmq /var/lib/rabbitmq
export HOME=/var/lib/rabbitmq
exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups -- /usr/lib/rabbitmq/bin/rabbitmq-server "$@"
"#;

pub(super) const SOFTWARE: Software = Software {
    name: "rabbitmq",
    packages: &["rabbitmq-server"],
    clients: &["amqp-tools", "curl"],
    files: &[
        File {
            path: "/usr/local/bin/entrypoint.sh",
            text: ENTRYPOINT,
        },
        File {
            path: "/etc/rabbitmq/enabled_plugins",
            text: "[rabbitmq_management].\n",
        },
    ],
    prepare: "rm -rf /var/lib/rabbitmq/* /var/lib/rabbitmq/.erlang.cookie",
    start: &["/usr/local/bin/entrypoint.sh"],
    env: &["LANG=C.UTF-8"],
    user: 0,
    volumes: &["/var/lib/rabbitmq"],
    life: Life::Service {
        ready: "curl -fsS -u guest:guest http://127.0.0.1:15672/api/health/checks/alarms",
        probes: &[
            &["rabbitmq-diagnostics", "-q", "ping"],
            &["rabbitmq-diagnostics", "-q", "check_running"],
            &["rabbitmq-diagnostics", "-q", "check_local_alarms"],
        ],
        load: "
            amqp-declare-queue -q orders
            for n in $(seq 50); do amqp-publish -r orders -b order-$n; done
            for n in $(seq 50); do amqp-get -q orders; done > /dev/null
            amqp-delete-queue -q orders
            curl -fsS -u guest:guest http://127.0.0.1:15672/api/overview > /dev/null
            curl -fsS -u guest:guest http://127.0.0.1:15672/api/definitions > /dev/null
        ",
    },
    window: 200,
};
