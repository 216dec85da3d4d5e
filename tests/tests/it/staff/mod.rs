//! Staff: what each role may do, what they see, and that it is written down.

mod accounts;
mod commands;
mod matrix;
mod overview;
mod timeline;
mod timeline_steps;
mod verdicts;
