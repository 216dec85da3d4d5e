//! Jobs: one file each, named for what they do. A job never fails towards the library: its row
//! says what comes next.

pub mod deliver_otp;
