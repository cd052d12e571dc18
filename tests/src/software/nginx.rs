//! nginx in the foreground, its logs on the container's output. A person tests
//! the configuration and reloads it, and has the logs opened anew.

use super::{File, Life, Software};

/// What the package's default does not have: a cache on disk, which nginx has a
/// process of its own for, compression and a proxy.
const SITE: &str = "\
proxy_cache_path /var/cache/nginx keys_zone=pages:1m;
server {
    listen 127.0.0.1:80 default_server;
    root /var/www/html;
    gzip on;
    location / { try_files $uri $uri/ =404; }
    location /cached/ {
        proxy_pass http://127.0.0.1:8081/;
        proxy_cache pages;
        proxy_cache_valid 200 1s;
    }
}
server {
    listen 127.0.0.1:8081;
    root /var/www/html;
}
";

pub(super) const SOFTWARE: Software = Software {
    name: "nginx",
    packages: &["nginx"],
    clients: &["curl"],
    files: &[File {
        path: "/etc/nginx/sites-available/default",
        text: SITE,
    }],
    prepare: "
        mkdir -p /var/cache/nginx
        ln -sf /dev/stdout /var/log/nginx/access.log
        ln -sf /dev/stderr /var/log/nginx/error.log
        echo '<p>hello' > /var/www/html/index.html
    ",
    start: &["nginx", "-g", "daemon off;"],
    env: &[],
    user: 0,
    volumes: &[],
    life: Life::Service {
        ready: "curl -fsS http://127.0.0.1/",
        probes: &[
            &["nginx", "-t"],
            &["nginx", "-s", "reload"],
            &["nginx", "-s", "reopen"],
        ],
        load: "
            for n in $(seq 100); do
                curl -fsS --compressed http://127.0.0.1/ http://127.0.0.1/cached/
            done > /dev/null
            test $(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/none) = 404
            curl -fsS -H 'Range: bytes=0-3' http://127.0.0.1/index.html
        ",
    },
    window: 25,
};
