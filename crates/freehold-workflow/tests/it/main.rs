//! What the identification of steps and runs promises.

mod learned;
mod marks;
mod real_data;
mod steps;
