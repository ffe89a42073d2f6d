//! The cache's promises, over a store in memory.

mod claims;
mod clearing;
mod collecting;
mod columns;
mod crash;
mod legacy;
mod neighbours;
mod overlays;
mod packing;
mod putting;
mod racing;
mod reading;
mod reusing;
mod stores;
mod verifying;
