//! A Node service: Express, with a process for each core.

use super::{File, Life, Software};

const APP: &str = r#"const cluster = require('cluster');
const express = require('express');
const zlib = require('zlib');

if (cluster.isPrimary) {
  for (let n = 0; n < 2; n++) cluster.fork();
  cluster.on('exit', (worker) => { if (!worker.exitedAfterDisconnect) cluster.fork(); });
  process.on('SIGTERM', () => cluster.disconnect(() => process.exit(0)));
} else {
  const app = express();
  app.use(express.json());
  app.get('/healthz', (_, response) => response.send('ok\n'));
  app.post('/orders', (request, response) => response.status(201).json(request.body));
  app.get('/report', (_, response) => response.send(zlib.gzipSync('report\n'.repeat(1000))));
  app.get('/crash', () => process.exit(1));
  app.listen(3000, '127.0.0.1');
}
"#;

const PROBE: &str = "require('http').get('http://127.0.0.1:3000/healthz', \
                     r => process.exit(r.statusCode === 200 ? 0 : 1))";

pub(super) const SOFTWARE: Software = Software {
    name: "node",
    packages: &["nodejs", "node-express"],
    clients: &["curl"],
    files: &[File {
        path: "/srv/shop/server.js",
        text: APP,
    }],
    prepare: "",
    start: &["node", "/srv/shop/server.js"],
    env: &["NODE_ENV=production"],
    // www-data
    user: 33,
    volumes: &[],
    life: Life::Service {
        ready: "curl -fsS http://127.0.0.1:3000/healthz",
        probes: &[&["node", "-e", PROBE]],
        load: "
            for n in $(seq 100); do
                curl -fsS -H 'Content-Type: application/json' -d '{\"item\":1}' http://127.0.0.1:3000/orders
            done > /dev/null
            curl -fsS http://127.0.0.1:3000/report | gzip -t
            curl -s http://127.0.0.1:3000/crash || :
            until curl -fsS http://127.0.0.1:3000/healthz; do sleep 0.1; done
        ",
    },
    window: 45,
};
