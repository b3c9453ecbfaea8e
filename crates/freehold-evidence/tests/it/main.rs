//! Behaviour of the public interface: published vectors, properties, simulation and real data.

mod paired;
mod tango;
