"""Compiles kernels/*.cu to PTX with a pinned NVRTC. No GPU and no driver are needed.

usage: kernels.py [source]…     (all of kernels/ by default)

PTX of ISA 8.0 loads on every driver from 525 on; what a newer NVRTC writes does not. Each file's first
line has the sha256 of its source and of the header that it includes: a test compares them.
"""

import ctypes
import hashlib
import sys
from importlib import metadata
from pathlib import Path

PACKAGE, VERSION = "nvidia-cuda-nvrtc-cu12", "12.0.140"
OPTIONS = ["--gpu-architecture=compute_75", "--fmad=false", "--std=c++17"]
FOLDER = Path(__file__).resolve().parent.parent / "kernels"
HEADERS = ["common.cuh"]


def library() -> ctypes.CDLL:
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        sys.exit(f"{PACKAGE} is missing: run make kernels")
    if package.version != VERSION:
        sys.exit(f"{PACKAGE} is {package.version}: the PTX is made with {VERSION}; run make kernels")
    for file in package.files or []:
        if file.name.startswith("libnvrtc.so"):
            return ctypes.CDLL(str(package.locate_file(file)))
    sys.exit(f"{PACKAGE} has no libnvrtc.so")


def text(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> str:
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{what}")(program, buffer)
    return buffer.value.decode()


def compile_to_ptx(nvrtc: ctypes.CDLL, source: Path) -> str:
    def strings(items: list[bytes]):
        return (ctypes.c_char_p * len(items))(*items)

    program = ctypes.c_void_p()
    headers = strings([(FOLDER / name).read_bytes() for name in HEADERS])
    names = strings([name.encode() for name in HEADERS])
    nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), source.read_bytes(), source.name.encode(), len(HEADERS), headers, names
    )
    options = strings([option.encode() for option in OPTIONS])
    failed = nvrtc.nvrtcCompileProgram(program, len(OPTIONS), options)
    log = text(nvrtc, program, "ProgramLog").strip()
    if failed or log:
        sys.exit(f"{source.name} does not compile cleanly:\n{log}")
    return text(nvrtc, program, "PTX")


def hashes(source: Path) -> str:
    files = [source, *(FOLDER / name for name in HEADERS)]
    return " ".join(f"{file.name}={hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files)


def main() -> None:
    nvrtc = library()
    sources = [Path(name).resolve() for name in sys.argv[1:]] or sorted(FOLDER.glob("*.cu"))
    for source in sources:
        ptx = compile_to_ptx(nvrtc, source)
        source.with_suffix(".ptx").write_text(f"// sha256 {hashes(source)}\n{ptx.strip()}\n")
        print(f"kernels/{source.stem}.ptx: {ptx.count('.entry')} kernels", file=sys.stderr)


if __name__ == "__main__":
    main()
