//! Compiles `proto/` into Rust, without protoc, and what needs libjpeg's headers.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;
use protox::Compiler;
use protox::file::{
    ChainFileResolver, DescriptorSetFileResolver, GoogleFileResolver, IncludeFileResolver,
};

const PROTOS: [&str; 4] = [
    "framecache/v1/frames.proto",
    "framecache/v1/frame_service.proto",
    "framecache/v1/overlay_service.proto",
    "framecache/v1/media_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/jpeg/coder.c");
    // FFmpeg 8 has moved what a stream's header holds beside its parameters.
    println!("cargo:rustc-check-cfg=cfg(ffmpeg_8)");
    if std::env::var("DEP_FFMPEG_FFMPEG_8_0").is_ok_and(|there| there == "true") {
        println!("cargo:rustc-cfg=ffmpeg_8");
    }
    // FFmpeg 6 calls back from any thread without being told that it may.
    println!("cargo:rustc-check-cfg=cfg(ffmpeg_6)");
    if std::env::var("DEP_FFMPEG_FFMPEG_6_0").is_ok_and(|there| there == "true") {
        println!("cargo:rustc-cfg=ffmpeg_6");
    }
    // Where turbojpeg-sys built its library; several are parted by commas.
    let headers = std::env::var("DEP_TURBOJPEG_INCLUDE")?;
    cc::Build::new()
        .file("src/jpeg/coder.c")
        .includes(headers.split(','))
        .compile("framecache_coder");
    let mut files = ChainFileResolver::new();
    files.add(IncludeFileResolver::new(PathBuf::from("proto")));
    files.add(DescriptorSetFileResolver::new(google_rpc()?));
    files.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(files);
    // Comments become docs; imports let reflection answer for google.rpc.Status too.
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(PROTOS)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(
        out.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    generate(compiler.file_descriptor_set(), &out)
}

/// `google/rpc/*.proto`, under the paths by which everybody imports them.
fn google_rpc() -> Result<prost_types::FileDescriptorSet, Box<dyn Error>> {
    let mut set = prost_types::FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)?;
    for file in &mut set.file {
        if file.package() == "google.rpc" && !file.name().contains('/') {
            file.name = Some(format!("google/rpc/{}", file.name()));
        }
    }
    Ok(set)
}

fn generate(files: prost_types::FileDescriptorSet, out: &Path) -> Result<(), Box<dyn Error>> {
    tonic_prost_build::configure()
        .out_dir(out)
        .extern_path(".google.rpc", "::tonic_types::pb")
        .codec_path("crate::rpc::codec::Codec")
        // Payloads are handed on without a copy.
        .bytes(".framecache.v1")
        .compile_fds(files)?;
    Ok(())
}
