use framecache::source::ByteSource;
use std::sync::Arc;
struct F(std::fs::File, u64);
impl ByteSource for F {
    fn bytes(&self) -> u64 {
        self.1
    }
    fn read_at(&mut self, o: u64, b: &mut [u8]) -> framecache::error::Result<usize> {
        use std::os::unix::fs::FileExt;
        Ok(self.0.read_at(b, o).unwrap())
    }
}
fn main() {
    framecache::av::init();
    let a: Vec<String> = std::env::args().collect();
    let p = a[2].clone();
    let opener: framecache::demux::Opener = Arc::new(move || {
        let f = std::fs::File::open(&p).unwrap();
        let n = f.metadata().unwrap().len();
        Ok(Box::new(F(f, n)))
    });
    let id = framecache::timeline::index::Identity {
        bytes: 0,
        head_sha256: String::new(),
        tail_sha256: String::new(),
    };
    let go = || -> framecache::error::Result<()> {
        let t = Arc::new(framecache::demux::read_track(opener()?, None, (id, None))?);
        eprintln!(
            "{} units {} shown {:?} {}",
            t.units.len(),
            t.index.shown.len(),
            t.index.unshown,
            t.has_pts
        );
        let th = std::env::var("TH").map(|x| x.parse().unwrap()).unwrap_or(4);
        print!("{}", framecache::framemd5::framemd5(&t, &opener, th)?);
        Ok(())
    };
    if let Err(e) = go() {
        eprintln!("{e} {e:?}");
        std::process::exit(e.reason().code().exit_status() as i32)
    }
}
