//! The console for staff: who gets in, its pages, and what people do there.

mod looks;
mod pages;
mod sessions;
mod steps;
mod walks;
mod work;
