//! A Java service: Tomcat by the package's own start script, with a page that is
//! compiled when it is first asked for.

use super::{File, Life, Software};

const ENTRYPOINT: &str = r#"#!/bin/sh
set -e
/usr/libexec/tomcat10/tomcat-update-policy.sh
exec setpriv --reuid=tomcat --regid=tomcat --init-groups -- /usr/libexec/tomcat10/tomcat-start.sh
"#;

const PAGE: &str = "<%@ page contentType=\"text/plain\" %><%= java.time.Instant.now() %>\n\
                    <%= java.net.InetAddress.getLocalHost() %>\n";

pub(super) const SOFTWARE: Software = Software {
    name: "tomcat",
    packages: &["tomcat10", "openjdk-17-jre-headless"],
    clients: &["curl"],
    files: &[
        File {
            path: "/usr/local/bin/entrypoint.sh",
            text: ENTRYPOINT,
        },
        File {
            path: "/var/lib/tomcat10/webapps/ROOT/now.jsp",
            text: PAGE,
        },
    ],
    prepare: "",
    start: &["/usr/local/bin/entrypoint.sh"],
    env: &[
        "CATALINA_HOME=/usr/share/tomcat10",
        "CATALINA_BASE=/var/lib/tomcat10",
        "CATALINA_TMPDIR=/tmp",
        "JAVA_OPTS=-Djava.awt.headless=true -Xmx256m",
    ],
    user: 0,
    volumes: &[],
    life: Life::Service {
        ready: "curl -fsS http://127.0.0.1:8080/now.jsp",
        probes: &[],
        load: "
            for n in $(seq 100); do curl -fsS http://127.0.0.1:8080/now.jsp; done > /dev/null
            curl -fsS http://127.0.0.1:8080/ > /dev/null
            test $(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/none) = 404
        ",
    },
    window: 120,
};
