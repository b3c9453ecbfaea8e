//! Tests of the binary and what it is made of: commands, imports, official clients, real data, reports.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod adapters;
mod assess;
mod certificates;
mod chat;
mod check;
mod claims;
mod clients;
mod commands;
mod costs;
mod dashboard;
mod doctor;
mod handles;
mod hostile_models;
mod import;
mod judges;
mod kept;
mod keys;
mod label_screen;
mod labels;
mod logs;
mod looks;
mod models;
mod moves;
mod no_room;
#[cfg(feature = "llama")]
mod own_engine;
mod probe;
mod pull;
mod real_data;
mod reloading;
mod report;
mod running;
mod steps;
mod trial;
mod vendor;
