//! One source after another, as an init segment before its fragment.

use std::fs::File;
use std::sync::Arc;

use crate::cancel::Stop;
use crate::error::Result;
use crate::source::ByteSource;

struct Concat {
    init: Box<dyn ByteSource>,
    body: Box<dyn ByteSource>,
}

/// `init`'s bytes, then `body`'s.
pub fn concat(init: Box<dyn ByteSource>, body: Box<dyn ByteSource>) -> Box<dyn ByteSource> {
    Box::new(Concat { init, body })
}

impl ByteSource for Concat {
    fn bytes(&self) -> u64 {
        self.init.bytes().saturating_add(self.body.bytes())
    }

    fn files(&self) -> Option<Vec<(Arc<File>, u64)>> {
        let mut files = self.init.files()?;
        files.extend(self.body.files()?);
        Some(files)
    }

    fn follow(&mut self, stop: &Stop) {
        self.init.follow(stop);
        self.body.follow(stop);
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        match offset.checked_sub(self.init.bytes()) {
            None => self.init.read_at(offset, buf),
            Some(offset) => self.body.read_at(offset, buf),
        }
    }
}
