//! Where a configuration has alerts go.

use super::StartError;
use crate::alert::{Target, TargetError};
use crate::config::Config;
use std::collections::BTreeSet;

/// The targets, in their order.
pub(super) fn targets(config: &Config) -> Result<Vec<Target>, StartError> {
    let syslog = config.syslog.iter();
    let mut targets = syslog
        .map(|url| url.parse())
        .collect::<Result<Vec<Target>, TargetError>>()?;
    for url in &config.webhook {
        targets.push(Target::webhook(url).map_err(StartError::Webhook)?);
    }
    if config.json {
        targets.push(Target::stdout());
    }
    let mut names = BTreeSet::new();
    for target in &targets {
        let name = target.to_string();
        if let Some(name) = names.replace(name) {
            // The two would have one spool.
            return Err(StartError::TargetTwice(name));
        }
    }
    Ok(targets)
}
