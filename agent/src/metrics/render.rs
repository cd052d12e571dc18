//! A status as OpenMetrics text.

use super::table::{Kind, METRICS, Metric, Sample};
use crate::control::status::{Latency, Status};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;

/// The page for a status.
pub fn render(status: Status) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(status)));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes whatever is written");
    text
}

#[derive(Debug)]
struct Page(Status);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in METRICS {
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut encoder = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            if metric.kind == Kind::Histogram {
                histogram(&mut encoder, &self.0.latency)?;
            }
            for sample in (metric.samples)(&self.0) {
                value(&mut encoder, metric, &sample)?;
            }
        }
        Ok(())
    }
}

fn value(encoder: &mut MetricEncoder<'_>, metric: &Metric, sample: &Sample) -> fmt::Result {
    if metric.labels.is_empty() {
        return number(encoder, metric.kind, sample.value);
    }
    let labels = Labels(metric.labels, &sample.labels);
    number(
        &mut encoder.encode_family(&labels)?,
        metric.kind,
        sample.value,
    )
}

fn number(encoder: &mut MetricEncoder<'_>, kind: Kind, value: f64) -> fmt::Result {
    match kind {
        Kind::Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
        Kind::Gauge | Kind::Histogram => encoder.encode_gauge(&value),
    }
}

fn histogram(encoder: &mut MetricEncoder<'_>, latency: &Latency) -> fmt::Result {
    let bounds = Latency::BOUNDS_S.into_iter().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(latency.buckets.iter().copied()).collect();
    let count = latency.buckets.iter().sum();
    encoder.encode_histogram::<NoLabelSet>(latency.sum_s, count, &buckets, None)
}

/// Names and values, one for one.
struct Labels<'a>(&'a [&'a str], &'a [String]);

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for pair in self
            .0
            .iter()
            .copied()
            .zip(self.1.iter().map(String::as_str))
        {
            prometheus_client::encoding::EncodeLabel::encode(&pair, encoder.encode_label())?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
