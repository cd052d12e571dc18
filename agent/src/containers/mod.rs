//! TODO(containers)
