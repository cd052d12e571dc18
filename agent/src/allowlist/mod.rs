//! TODO(allowlist)
