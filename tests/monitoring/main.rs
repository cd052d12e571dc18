//! What deploy/monitoring brings to a monitoring system: it asks for metrics
//! that there are, fires when it should, and Prometheus takes it. That a running
//! agent's numbers make it fire is tested in `containers::metrics`.

mod dashboard;
mod metrics;
mod rules;
