//! Behaviour of the public interface: published vectors, properties, simulation and real data.

mod accepted;
mod check;
mod decision;
mod judge;
mod noise;
mod paired;
mod plan;
mod real_data;
mod sequential;
mod simulation;
mod strata;
mod tango;
