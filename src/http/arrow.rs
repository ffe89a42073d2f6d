//! Columns of 64-bit numbers as Arrow's streaming format: one schema, one batch, the end. Its messages are
//! FlatBuffers, of which this writes the two that it takes, in order: what a table names comes behind it.
//!
//! Apache Arrow Columnar Format 1.5, "IPC Streaming Format", with Message.fbs and Schema.fbs; FlatBuffers'
//! binary format. Arrow's own crates would be a dozen for these few bytes.

/// MetadataVersion.V5
const VERSION: i16 = 4;
/// MessageHeader.Schema and MessageHeader.RecordBatch
const SCHEMA: u8 = 1;
const RECORD_BATCH: u8 = 3;
/// Type.Int
const INT: u8 = 2;
/// Before each message, and before the end.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Named columns of one length, none of which has nulls.
pub fn stream(columns: [(&str, &[u64]); 2]) -> Vec<u8> {
    let [(first, a), (second, b)] = columns;
    let body = little_endian([a, b]);
    let mut out = Vec::with_capacity(body.len() + 1024);
    message(&mut out, schema([first, second]));
    message(&mut out, batch(a.len() as i64, body.len() as i64));
    out.extend(body);
    out.extend(CONTINUATION);
    out.extend([0; 4]);
    out
}

/// All numbers of the first, then all of the second.
pub fn little_endian(columns: [&[u64]; 2]) -> Vec<u8> {
    let numbers = columns.iter().flat_map(|column| column.iter());
    let mut out = Vec::with_capacity(columns.iter().map(|column| 8 * column.len()).sum());
    numbers.for_each(|number| out.extend(number.to_le_bytes()));
    out
}

/// A message's frame: its metadata begin and end on 8 bytes.
fn message(out: &mut Vec<u8>, mut metadata: Vec<u8>) {
    metadata.resize(metadata.len().next_multiple_of(8), 0);
    out.extend(CONTINUATION);
    out.extend((metadata.len() as i32).to_le_bytes());
    out.extend(metadata);
}

fn schema(names: [&str; 2]) -> Vec<u8> {
    let mut flat = Flat::default();
    let header = flat.message(SCHEMA, 0);
    flat.here(header);
    let [fields] = flat.table([Slot::None, Slot::Place]);
    flat.here(fields);
    let places: [usize; 2] = flat.places();
    for (name, place) in names.into_iter().zip(places) {
        flat.here(place);
        flat.field(name);
    }
    flat.0
}

fn batch(rows: i64, body_bytes: i64) -> Vec<u8> {
    let mut flat = Flat::default();
    let header = flat.message(RECORD_BATCH, body_bytes);
    flat.here(header);
    let [nodes, buffers] = flat.table([Slot::I64(rows), Slot::Place, Slot::Place]);
    // FieldNode { length, null_count }
    flat.pairs(nodes, &[[rows, 0], [rows, 0]]);
    // Buffer { offset, length }: of each column its validity, which is left out, and its numbers.
    let column = body_bytes / 2;
    let each = [[0, 0], [0, column], [column, 0], [column, column]];
    flat.pairs(buffers, &each);
    flat.0
}

/// A table's field as it is written.
#[derive(Clone, Copy)]
enum Slot {
    /// Its default.
    None,
    U8(u8),
    I16(i16),
    I32(i32),
    I64(i64),
    /// Where something else is; told later.
    Place,
}

impl Slot {
    fn bytes(self) -> Vec<u8> {
        match self {
            Slot::None => Vec::new(),
            Slot::U8(value) => vec![value],
            Slot::I16(value) => value.to_le_bytes().into(),
            Slot::I32(value) => value.to_le_bytes().into(),
            Slot::I64(value) => value.to_le_bytes().into(),
            Slot::Place => vec![0; 4],
        }
    }
}

/// A FlatBuffer that is being written.
#[derive(Default)]
struct Flat(Vec<u8>);

impl Flat {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn put(&mut self, place: usize, bytes: &[u8]) {
        if let Some(own) = self.0.get_mut(place..place + bytes.len()) {
            own.copy_from_slice(bytes);
        }
    }

    /// What is written next is what that place names: by how far behind it that is.
    fn here(&mut self, place: usize) {
        self.align(8);
        let distance = (self.0.len() - place) as u32;
        self.put(place, &distance.to_le_bytes());
    }

    /// The root, a message; gives the place that names its header.
    fn message(&mut self, kind: u8, body_bytes: i64) -> usize {
        self.0.extend([0; 4]);
        self.here(0);
        let [header] = self.table([
            Slot::I16(VERSION),
            Slot::U8(kind),
            Slot::Place,
            Slot::I64(body_bytes),
        ]);
        header
    }

    /// A field of 64-bit numbers without sign and without nulls.
    fn field(&mut self, name: &str) {
        let [name_place, kind, children] = self.table([
            Slot::Place,
            Slot::None,
            Slot::U8(INT),
            Slot::Place,
            Slot::None,
            Slot::Place,
        ]);
        self.here(name_place);
        self.0.extend((name.len() as u32).to_le_bytes());
        self.0.extend(name.as_bytes());
        self.0.push(0);
        self.here(kind);
        let [] = self.table([Slot::I32(64)]);
        self.here(children);
        let [] = self.places();
    }

    /// A table, and behind it the list of where its fields lie in it. Gives the places that name something.
    fn table<const FIELDS: usize, const PLACES: usize>(
        &mut self,
        fields: [Slot; FIELDS],
    ) -> [usize; PLACES] {
        let start = self.0.len();
        self.0.extend([0; 4]);
        let (mut offsets, mut places, mut named) = ([0u16; FIELDS], [0; PLACES], 0..PLACES);
        for (field, offset) in fields.into_iter().zip(&mut offsets) {
            let bytes = field.bytes();
            if bytes.is_empty() {
                continue;
            }
            // The table begins on 8 bytes.
            self.align(bytes.len());
            *offset = (self.0.len() - start) as u16;
            if matches!(field, Slot::Place)
                && let Some(place) = named.next().and_then(|next| places.get_mut(next))
            {
                *place = self.0.len();
            }
            self.0.extend(bytes);
        }
        let table_bytes = (self.0.len() - start) as u16;
        self.align(2);
        let before = start as i32 - self.0.len() as i32;
        self.put(start, &before.to_le_bytes());
        let list_bytes = 4 + 2 * FIELDS as u16;
        let list = [list_bytes, table_bytes].into_iter().chain(offsets);
        list.for_each(|number| self.0.extend(number.to_le_bytes()));
        places
    }

    /// A list of so many tables, each to be named.
    fn places<const N: usize>(&mut self) -> [usize; N] {
        self.0.extend((N as u32).to_le_bytes());
        let first = self.0.len();
        self.0.extend([0; 4].repeat(N));
        std::array::from_fn(|n| first + 4 * n)
    }

    /// A list of pairs, which that place names: its numbers begin on 8 bytes.
    fn pairs(&mut self, place: usize, pairs: &[[i64; 2]]) {
        self.align(8);
        self.0.extend([0; 4]);
        let distance = (self.0.len() - place) as u32;
        self.put(place, &distance.to_le_bytes());
        self.0.extend((pairs.len() as u32).to_le_bytes());
        let numbers = pairs.iter().flatten();
        numbers.for_each(|number| self.0.extend(number.to_le_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_numbers_begin_on_eight_bytes_and_the_end_is_told() {
        // pyarrow reads them in tests/test_http_alike.py.
        let whole = stream([("seq", &[1, 2, 3]), ("phash", &[7, 8, u64::MAX])]);
        let mut at = 0;
        let mut bytes = Vec::new();
        for _ in 0..2 {
            assert_eq!(whole[at..at + 4], CONTINUATION);
            let size = i32::from_le_bytes(whole[at + 4..at + 8].try_into().unwrap()) as usize;
            assert_eq!((size % 8, at % 8), (0, 0));
            at += 8 + size;
            bytes.push(size);
        }
        let numbers = little_endian([&[1, 2, 3], &[7, 8, u64::MAX]]);
        assert_eq!(whole[at..at + 48], numbers);
        assert_eq!(whole[at + 48..], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        assert!(bytes.iter().sum::<usize>() < 1000);
    }
}
