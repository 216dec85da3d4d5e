//! Texts of the systems Peyk replaces that take more than a constant to reproduce.

pub(crate) mod python_json;
