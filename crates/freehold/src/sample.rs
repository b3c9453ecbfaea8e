//! The sample business of `freehold demo`: its tickets, its workflow and its simulated vendor.

pub mod business;
pub mod desk;
pub mod vendor;
