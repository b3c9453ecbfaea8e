//! Everything the `freehold` binary is made of; the library exists so that tests and recipes can reach it.

pub mod assess;
pub mod certificate;
pub mod checks;
pub mod cli;
pub mod client;
pub mod config;
pub mod costs;
#[cfg(feature = "llama")]
pub mod demo;
pub mod doctor;
pub mod engines;
pub mod exit;
pub mod export;
pub mod facts;
pub mod handles;
pub mod home;
pub mod import;
pub mod keeping;
pub mod keys;
pub mod label;
mod learning;
pub mod logs;
pub(crate) mod models;
pub mod moves;
pub mod names;
pub mod probe;
pub mod reload;
pub mod report;
pub mod restart;
pub mod sample;
pub mod service;
pub mod stdout;
