//! TODO(alert)
