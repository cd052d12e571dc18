//! TODO(control)
