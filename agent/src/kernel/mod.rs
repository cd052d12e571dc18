//! TODO(kernel)
pub mod btf;
