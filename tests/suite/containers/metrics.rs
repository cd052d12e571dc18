//! What a monitoring system reads from a running agent.

use super::scene::{Scene, exec};
use anyhow::{Result, ensure};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use testbed::prometheus::free_address;

pub fn metrics_and_health_are_there_where_they_are_asked_for() -> Result<()> {
    let scene = Scene::new()?;
    scene.write_document("  processes:\n    - path: /bin/busybox\n")?;
    let address = free_address()?;
    let agent = scene.agent(&["--enforce", "--metrics", &address.to_string()])?;
    let container = scene.idle()?;
    scene.wait_for_mode(&agent, "enforce")?;
    exec(&container, &["/app/worker"])?;
    scene.wait_for_records(&container, 1)?;

    let metrics = get(address, "/metrics")?;
    for line in [
        "execwarden_attached 1.0",
        "execwarden_accounting_holds 1.0",
        "execwarden_deviations_total{namespace=\"\",reason=\"unlisted\"} 1.0",
        "execwarden_alert_latency_seconds_count 1",
    ] {
        ensure!(metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }
    ensure!(metrics.ends_with("# EOF\n"), "{metrics}");
    ensure!(get(address, "/healthz")?.ends_with("\r\n\r\nalive\n"));
    let ready = get(address, "/readyz")?;
    ensure!(ready.starts_with("HTTP/1.1 200 "), "{ready}");

    scene.finish(agent, &[(&container, &["unlisted /app/worker"])])?;
    ensure!(get(address, "/healthz").is_err(), "it still answers");
    Ok(())
}

fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: node\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
