//! Behaviour of the public interface: published vectors, properties, simulation and real data.

mod accepted;
mod bootstrap;
mod calibration;
mod cascade;
mod check;
mod decision;
mod drift;
mod judge;
mod looks;
mod multiplicity;
mod noise;
mod paired;
mod plan;
mod ppi;
mod real_data;
mod scorers;
mod sequential;
mod simulation;
mod strata;
mod tango;
