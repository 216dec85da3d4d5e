//! What every payment gateway must do, whatever its wire format: the rules of `suite`, and a file of
//! its own for what only one of them does.

mod payping;
mod suite;
mod zarinpal;
mod zibal;
