//! Parquet: a row of facts a frame, in groups of rows of a bounded size. What is unknown is null.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type as Schema, TypePtr};
use serde_json::Value;

use crate::export::columns::{COLUMNS, Type, row, text};
use crate::hex::unhex;
use crate::media::facts::FrameFacts;

/// Rows that are held, and written together: some 10 MB of them.
const GROUP_ROWS: usize = 32_768;
const SHA256_BYTES: i32 = 32;

/// A table that is being written.
pub struct Table<W: Write + Send> {
    file: SerializedFileWriter<Lent<W>>,
    out: Lent<W>,
    rows: usize,
    columns: Vec<Column>,
}

/// Where the table goes. The crate's writer gives it back with an error that no longer says which one it was.
struct Lent<W>(Arc<Mutex<W>>);

impl<W> Lent<W> {
    fn lock(&self) -> MutexGuard<'_, W> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Write for Lent<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.lock().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }
}

/// A column of the group that is being filled.
struct Column {
    kind: Type,
    /// 1 for each row that has a value, 0 for one that has none.
    levels: Vec<i16>,
    values: Values,
}

/// The values that there are.
enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Double(Vec<f64>),
    Bool(Vec<bool>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

impl<W: Write + Send> Table<W> {
    pub fn new(out: W) -> io::Result<Self> {
        let made_by = concat!("framecache ", env!("CARGO_PKG_VERSION"));
        let properties = WriterProperties::builder().set_created_by(made_by.to_owned());
        let schema = schema().map_err(io_error)?;
        let out = Arc::new(Mutex::new(out));
        let lent = Lent(out.clone());
        let file = SerializedFileWriter::new(lent, schema, Arc::new(properties.build()));
        Ok(Table {
            file: file.map_err(io_error)?,
            out: Lent(out),
            rows: 0,
            columns: empty(),
        })
    }

    pub fn add(&mut self, facts: &FrameFacts) -> io::Result<()> {
        for (column, value) in self.columns.iter_mut().zip(row(facts)?) {
            column.add(value);
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS {
            self.end_group().map_err(io_error)?;
        }
        Ok(())
    }

    pub fn end(mut self) -> io::Result<W> {
        self.end_group().map_err(io_error)?;
        self.file.finish().map_err(io_error)?;
        drop(self.file);
        let out =
            Arc::into_inner(self.out.0).ok_or_else(|| io::Error::other("the file is kept"))?;
        Ok(out.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for column in std::mem::replace(&mut self.columns, empty()) {
            if let Some(writer) = group.next_column()? {
                column.write(writer)?;
            }
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

fn empty() -> Vec<Column> {
    let column = |(_, kind): &(&str, Type)| Column {
        kind: *kind,
        levels: Vec::new(),
        values: match physical(*kind) {
            Physical::INT32 => Values::Int32(Vec::new()),
            Physical::INT64 => Values::Int64(Vec::new()),
            Physical::DOUBLE => Values::Double(Vec::new()),
            Physical::BOOLEAN => Values::Bool(Vec::new()),
            Physical::FIXED_LEN_BYTE_ARRAY => Values::Fixed(Vec::new()),
            _ => Values::Bytes(Vec::new()),
        },
    };
    COLUMNS.iter().map(column).collect()
}

impl Column {
    fn add(&mut self, value: Option<Value>) {
        let value = match self.kind {
            Type::Mark => Some(value.unwrap_or(Value::Bool(false))),
            _ => value,
        };
        let added = value.is_some_and(|value| self.values.add(self.kind, &value));
        self.levels.push(i16::from(added));
    }

    fn write(self, mut writer: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let to = &mut writer;
        let levels = is_optional(self.kind).then_some(self.levels.as_slice());
        match self.values {
            Values::Int32(values) => batch::<Int32Type>(to, &values, levels)?,
            Values::Int64(values) => batch::<Int64Type>(to, &values, levels)?,
            Values::Double(values) => batch::<DoubleType>(to, &values, levels)?,
            Values::Bool(values) => batch::<BoolType>(to, &values, levels)?,
            Values::Bytes(values) => batch::<ByteArrayType>(to, &values, levels)?,
            Values::Fixed(values) => batch::<FixedLenByteArrayType>(to, &values, levels)?,
        }
        writer.close()
    }
}

fn batch<T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    writer.typed::<T>().write_batch(values, levels, None)?;
    Ok(())
}

impl Values {
    /// False for what is no value of this type: the row has none then.
    fn add(&mut self, kind: Type, value: &Value) -> bool {
        match self {
            // Parquet keeps unsigned numbers as the signed ones of the same bits.
            Values::Int32(all) => push(all, value.as_u64().and_then(narrow)),
            Values::Int64(all) => push(all, whole(kind, value)),
            Values::Double(all) => push(all, value.as_f64()),
            Values::Bool(all) => push(all, value.as_bool()),
            Values::Bytes(all) => push(all, Some(ByteArray::from(text(value).into_bytes()))),
            Values::Fixed(all) => {
                let bytes = value.as_str().and_then(unhex);
                push(all, bytes.map(|bytes| bytes.to_vec().into()))
            }
        }
    }
}

fn push<T>(all: &mut Vec<T>, value: Option<T>) -> bool {
    let is_there = value.is_some();
    all.extend(value);
    is_there
}

fn narrow(number: u64) -> Option<i32> {
    Some(u32::try_from(number).ok()?.cast_signed())
}

fn whole(kind: Type, value: &Value) -> Option<i64> {
    match kind {
        Type::Hash => u64::from_str_radix(value.as_str()?, 16)
            .ok()
            .map(u64::cast_signed),
        Type::Unsigned(_) => value.as_u64().map(u64::cast_signed),
        _ => value.as_i64(),
    }
}

fn is_optional(kind: Type) -> bool {
    kind != Type::Mark
}

fn physical(kind: Type) -> Physical {
    match kind {
        Type::Unsigned(64) | Type::Signed | Type::Hash => Physical::INT64,
        Type::Unsigned(_) => Physical::INT32,
        Type::Seconds | Type::Fraction => Physical::DOUBLE,
        Type::Flag | Type::Mark => Physical::BOOLEAN,
        Type::Text => Physical::BYTE_ARRAY,
        Type::Sha256 => Physical::FIXED_LEN_BYTE_ARRAY,
    }
}

fn logical(kind: Type) -> Option<LogicalType> {
    let unsigned = |bits: u8| LogicalType::integer(i8::try_from(bits).unwrap_or(i8::MAX), false);
    match kind {
        Type::Unsigned(bits) => Some(unsigned(bits)),
        Type::Hash => Some(unsigned(64)),
        Type::Text => Some(LogicalType::String),
        _ => None,
    }
}

/// Names as SQL takes them without quotes.
fn schema() -> Result<TypePtr, ParquetError> {
    let columns = COLUMNS.iter().map(|(name, kind)| {
        let repetition = match is_optional(*kind) {
            true => Repetition::OPTIONAL,
            false => Repetition::REQUIRED,
        };
        let name = name.replace('.', "_");
        let mut column = Schema::primitive_type_builder(&name, physical(*kind))
            .with_repetition(repetition)
            .with_logical_type(logical(*kind));
        if *kind == Type::Sha256 {
            column = column.with_length(SHA256_BYTES);
        }
        column.build().map(Arc::new)
    });
    let columns: Result<Vec<TypePtr>, _> = columns.collect();
    let root = Schema::group_type_builder("frame").with_fields(columns?);
    root.build().map(Arc::new)
}

/// The file's own error, where it is one.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(own) => *own,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::testing::every_fact;

    #[test]
    fn a_table_is_parquet_however_many_rows_it_has() {
        for rows in [0, 1, GROUP_ROWS + 1] {
            let mut table = Table::new(Vec::new()).unwrap();
            for seq in 0..rows {
                table.add(&every_fact(seq as u64)).unwrap();
            }
            assert!(table.rows < GROUP_ROWS);
            let file = table.end().unwrap();
            assert_eq!(
                (&file[..4], &file[file.len() - 4..]),
                (&b"PAR1"[..], &b"PAR1"[..])
            );
        }
    }

    #[test]
    fn a_full_disk_is_said_as_what_it_is() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let written = Table::new(Full).and_then(Table::end);
        let error = written.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
