//! The directory as a store: frames put, synced and read.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use framecache::store::dir::DirStore;
use framecache::store::{ListRequest, PutOptions, Store};
use tokio::runtime::{Builder, Runtime};

use crate::run::{Loop, Size};

const FRAMES: usize = 64;
const FRAME_BYTES: usize = 200_000;

struct Bench {
    store: DirStore,
    runtime: Runtime,
    data: Bytes,
    /// Deleted with the bench.
    _folder: tempfile::TempDir,
}

pub fn loops(size: Size) -> Vec<Loop> {
    let bench = Arc::new(Bench::new(size.pick(FRAME_BYTES, FRAME_BYTES / 10)));
    let (reading, listing) = (bench.clone(), bench.clone());
    let bytes = (FRAMES * bench.data.len(), "B");
    bench.put();
    vec![
        Loop::new("directory put 64 frames", bytes, move || bench.put()),
        Loop::new("directory get 64 frames", bytes, move || reading.get()),
        Loop::new("directory list 64 frames", (FRAMES, "row"), move || {
            listing.list()
        }),
    ]
}

impl Bench {
    fn new(bytes: usize) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        Bench {
            store: DirStore::open(folder.path()).unwrap(),
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            data: Bytes::from(vec![7; bytes]),
            _folder: folder,
        }
    }

    fn keys() -> impl Iterator<Item = String> {
        (0..FRAMES).map(|seq| format!("cache/timelines/t/frames/{seq}.jpg"))
    }

    fn put(&self) {
        self.runtime.block_on(async {
            for key in Bench::keys() {
                let options = PutOptions::unsynced("image/jpeg");
                let put = self.store.put(&key, self.data.clone(), options);
                black_box(put.await.unwrap());
            }
        });
    }

    fn get(&self) {
        self.runtime.block_on(async {
            for key in Bench::keys() {
                black_box(self.store.get(&key).await.unwrap().unwrap());
            }
        });
    }

    fn list(&self) {
        let request = ListRequest {
            prefix: "cache/timelines/t/frames/",
            ..ListRequest::default()
        };
        black_box(self.runtime.block_on(self.store.list(request)).unwrap());
    }
}
