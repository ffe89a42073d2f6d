//! OverlayService's methods whose payloads come in parts.

mod get;
mod put;
