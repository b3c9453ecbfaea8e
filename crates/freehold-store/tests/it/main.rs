//! The store from outside: what goes in comes out, survives, and is counted where it does not.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it expects")]

mod aliases;
mod assessments;
mod bodies;
mod calls;
mod durability;
#[cfg(unix)]
mod failed_writes;
mod full_disk;
mod generations;
mod keys;
mod labels;
#[cfg(target_os = "linux")]
mod no_room;
mod opening;
mod recorder;
mod sample;
mod traffic;
