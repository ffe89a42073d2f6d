//! The planner against a brute-force model of the rules, its laws, and golden files.

mod cases;
mod compare;
mod golden;
mod laws;
mod make;
mod model;
