//! A Python web application under gunicorn: Flask, SQLite, a download that it
//! has tar pack, workers that end after some requests.

use super::{File, Life, Software};

const APP: &str = r#"import sqlite3
import subprocess
from flask import Flask, jsonify, request

app = Flask(__name__)


def shop():
    connection = sqlite3.connect("/data/shop.db", timeout=30)
    connection.execute("create table if not exists orders (item text)")
    return connection


@app.get("/healthz")
def healthz():
    return "ok\n"


@app.post("/orders")
def order():
    with shop() as connection:
        connection.execute("insert into orders values (?)", [request.form["item"]])
    return "ordered\n", 201


@app.get("/orders")
def orders():
    return jsonify(shop().execute("select count(*) from orders").fetchone())


@app.get("/backup")
def backup():
    packed = subprocess.run(["tar", "-czf", "-", "-C", "/data", "."], stdout=subprocess.PIPE)
    return packed.stdout, {"Content-Type": "application/gzip"}
"#;

const PROBE: &str =
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=5)";

pub(super) const SOFTWARE: Software = Software {
    name: "gunicorn",
    packages: &["gunicorn", "python3-flask"],
    clients: &["curl"],
    files: &[File {
        path: "/srv/shop/shop.py",
        text: APP,
    }],
    prepare: "mkdir -p /data && chown www-data /data",
    start: &[
        "gunicorn",
        "--chdir",
        "/srv/shop",
        "--bind",
        "127.0.0.1:8000",
        "--workers",
        "2",
        "--max-requests",
        "30",
        "shop:app",
    ],
    env: &["PYTHONUNBUFFERED=1"],
    // www-data
    user: 33,
    volumes: &[],
    life: Life::Service {
        ready: "curl -fsS http://127.0.0.1:8000/healthz",
        probes: &[&["python3", "-c", PROBE]],
        load: "
            for n in $(seq 50); do
                curl -fsS -d item=$n http://127.0.0.1:8000/orders
                curl -fsS http://127.0.0.1:8000/orders
            done > /dev/null
            curl -fsS http://127.0.0.1:8000/backup | gzip -t
            test $(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8000/none) = 404
        ",
    },
    window: 45,
};
