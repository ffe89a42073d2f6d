//! Frames and their facts in files that other tools read: a tar archive of pictures, Parquet, JSON
//! lines. A file is written as its frames come; what is held is one frame, or one group of rows.

pub mod columns;
mod table;

use std::io::{self, Write};

use crate::media::facts::FrameFacts;
use crate::ustar;

use table::Table;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A ustar archive of `{seq}.jpg` and `{seq}.json`, as packs are and WebDataset reads them.
    Tar,
    /// A row of facts a frame; its columns are in [`columns`].
    Parquet,
    /// A JSON object of facts a line.
    Jsonl,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Format::Tar => "tar",
            Format::Parquet => "parquet",
            Format::Jsonl => "jsonl",
        }
    }

    /// Whether it holds pictures, and so no frame without one.
    pub fn has_pictures(self) -> bool {
        self == Format::Tar
    }
}

/// A file that is being written, frame by frame.
pub struct Exporter<W: Write + Send>(Kind<W>);

enum Kind<W: Write + Send> {
    Tar(W),
    Parquet(Box<Table<W>>),
    Jsonl(W),
}

impl<W: Write + Send> Exporter<W> {
    /// # Errors
    /// Those of `out`.
    pub fn new(format: Format, out: W) -> io::Result<Self> {
        Ok(Exporter(match format {
            Format::Tar => Kind::Tar(out),
            Format::Parquet => Kind::Parquet(Box::new(Table::new(out)?)),
            Format::Jsonl => Kind::Jsonl(out),
        }))
    }

    /// Adds a frame; `jpeg`: its picture, which only those formats take that have pictures.
    ///
    /// # Errors
    /// Those of the file.
    pub fn add(&mut self, facts: &FrameFacts, jpeg: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Kind::Tar(out) => out.write_all(&sample(facts, jpeg)?),
            Kind::Parquet(table) => table.add(facts),
            Kind::Jsonl(out) => {
                let mut line = serde_json::to_vec(facts)?;
                line.push(b'\n');
                out.write_all(&line)
            }
        }
    }

    /// Writes what is left to be written, and answers the whole file.
    ///
    /// # Errors
    /// Those of the file.
    pub fn end(self) -> io::Result<W> {
        let mut out = match self.0 {
            Kind::Parquet(table) => table.end()?,
            Kind::Jsonl(out) => out,
            Kind::Tar(mut out) => {
                let mut end = Vec::new();
                ustar::end(&mut end);
                out.write_all(&end)?;
                out
            }
        };
        out.flush()?;
        Ok(out)
    }
}

/// A frame as members of an archive.
fn sample(facts: &FrameFacts, jpeg: &[u8]) -> io::Result<Vec<u8>> {
    let seq = facts.seq;
    let mut members = Vec::with_capacity(ustar::member_bytes(jpeg.len()) + 2048);
    ustar::append(&mut members, &format!("{seq}.jpg"), jpeg);
    let json = serde_json::to_vec(facts)?;
    ustar::append(&mut members, &format!("{seq}.json"), &json);
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(seq: u64) -> FrameFacts {
        FrameFacts {
            seq,
            ..FrameFacts::default()
        }
    }

    #[test]
    fn an_archive_has_a_picture_and_its_facts_a_frame_and_ends_as_archives_do() {
        let mut exporter = Exporter::new(Format::Tar, Vec::new()).unwrap();
        for seq in [3, 4] {
            exporter.add(&facts(seq), b"picture").unwrap();
        }
        let tar = exporter.end().unwrap();
        assert_eq!(tar.len(), 2 * 4 * 512 + 1024);
        let named = |block: usize| tar[block * 512..].split(|b| *b == 0).next().unwrap();
        let names = [0, 2, 4, 6].map(named);
        assert_eq!(names, [&b"3.jpg"[..], b"3.json", b"4.jpg", b"4.json"]);
    }

    #[test]
    fn lines_are_the_facts_and_nothing_else() {
        let mut exporter = Exporter::new(Format::Jsonl, Vec::new()).unwrap();
        exporter.add(&facts(7), b"").unwrap();
        exporter.add(&facts(9), b"").unwrap();
        assert_eq!(exporter.end().unwrap(), b"{\"seq\":7}\n{\"seq\":9}\n");
    }
}
