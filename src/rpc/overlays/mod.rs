//! OverlayService's methods.

mod delete;
mod get;
mod list;
mod put;
