//! Staff: what each role may do, what they see, and that it is written down.

mod accounts;
mod blocks;
mod commands;
mod cron;
mod edits;
mod keys;
mod lists;
mod matrix;
mod messages;
mod overview;
mod providers;
mod queue_rows;
mod queues;
mod rooms;
mod steps;
mod timeline;
mod timeline_steps;
mod verdicts;
mod webhooks;
