//! TODO(learn)
