//! framecache: decodes a timeline's video once, and keeps its frames.

pub mod app;
pub mod av;
pub mod aws;
pub mod cache;
pub mod cli;
pub mod config;
pub mod decode;
pub mod demux;
pub mod error;
pub mod extract;
pub mod font;
pub mod framemd5;
pub mod frames;
pub mod hash;
pub mod hex;
pub mod jpeg;
pub mod media;
pub mod npy;
pub mod pixel;
pub mod png;
pub mod probe;
pub mod sheet;
pub mod source;
pub mod store;
pub mod timeline;
