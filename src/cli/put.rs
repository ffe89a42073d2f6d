//! `framecache put`

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;

use crate::cache::put::PutFrame;
use crate::cli::common::{Context, Exit, print_json, print_line};
use crate::cli::output::{jpeg_of_pixels, read_file};
use crate::cli::select::{SeqRange, sequences};
use crate::error::{Error, Result};
use crate::media::facts::FrameFacts;
use crate::png;

/// Of JPEGs made here of PNGs.
const QUALITY: u8 = 85;

/// Put frames into the cache that were made elsewhere
///
/// JPEGs are kept byte for byte; PNGs are encoded (quality 85, 4:2:0). File names give
/// the numbers unless --seq does. A timeline's profile holds frames that were put or
/// frames that were extracted, never both; putting a number again replaces its frame.
///
///   framecache put slides 0.jpg 1.jpg 7.jpg
///   framecache put slides --seq 100-102 a.png b.png c.png
///   framecache put slides *.jpg --facts times.jsonl      lines {"seq": 0, "timestamp": 1.5}
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    /// JPEG or PNG files
    #[arg(value_name = "FILE.jpg", required = true)]
    files: Vec<PathBuf>,
    /// Numbers of the files, in their order [default: the files' names]
    #[arg(long, value_name = "A-B,…", value_delimiter = ',')]
    seq: Vec<SeqRange>,
    /// Facts as JSON lines, each with its seq
    #[arg(long, value_name = "FILE.jsonl")]
    facts: Option<PathBuf>,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    if Path::new(&args.timeline).exists() {
        let message = "the timeline's id comes first, and this is a file";
        return Err(Error::field(message)
            .about("id", &args.timeline)
            .hint("write: framecache put ID FILE…"));
    }
    let seqs = numbers(context, &args)?;
    let mut facts = match &args.facts {
        Some(path) => read_facts(path)?,
        None => HashMap::new(),
    };
    let mut puts = Vec::with_capacity(seqs.len());
    for (seq, file) in seqs.into_iter().zip(&args.files) {
        let facts = facts.remove(&seq).unwrap_or_default();
        let quality = is_png(file).then_some(QUALITY).or(facts.quality);
        let facts = FrameFacts { quality, ..facts };
        let jpeg = jpeg_of(file)?;
        let ready = PutFrame { seq, jpeg, facts }.ready();
        puts.push(ready.map_err(|e| e.about("path", file.display()))?);
    }
    if let Some(seq) = facts.keys().min() {
        return Err(Error::field(format!(
            "facts are given for a frame that is not put, seq={seq}"
        ))
        .hint("leave that line out, or add its file"));
    }
    let client = context.client().await?;
    let done = client.put_frames(context.of(&args.timeline), puts).await?;
    if context.json() {
        print_json(
            &json!({ "timeline": args.timeline, "record": done.record, "frames": done.frames }),
        )?;
    } else {
        let place = client.describe()?;
        print_line(&format!(
            "{}: {} frames put; {place}",
            args.timeline,
            done.frames.len()
        ))?;
    }
    Ok(Exit::Done)
}

fn numbers(context: &Context, args: &Args) -> Result<Vec<u64>> {
    if args.seq.is_empty() {
        return args.files.iter().map(|file| number_of(file)).collect();
    }
    let seqs = sequences(&args.seq, context.settings.limits.frames)?;
    if seqs.len() != args.files.len() {
        let message = format!(
            "--seq names another number of frames than there are files, named={} files={}",
            seqs.len(),
            args.files.len()
        );
        return Err(Error::field(message).hint("give one number for each file"));
    }
    Ok(seqs)
}

fn number_of(file: &Path) -> Result<u64> {
    let stem = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let plain = !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| stem.parse().ok()).flatten().ok_or_else(|| {
        Error::field(format!(
            "the file's name is no number, path={}",
            file.display()
        ))
        .hint("name files 0.jpg, 1.jpg, …, or give their numbers by --seq")
    })
}

fn is_png(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

fn jpeg_of(file: &Path) -> Result<Bytes> {
    let data = read_file(file)?;
    if !is_png(file) {
        return Ok(data);
    }
    let named =
        |e: Error| Error::field(format!("{}, path={}", e.message(), file.display())).caused_by(e);
    let pixels = png::decode(&data).map_err(named)?;
    Ok(jpeg_of_pixels(&pixels, QUALITY)?.into())
}

fn read_facts(path: &Path) -> Result<HashMap<u64, FrameFacts>> {
    let data = read_file(path)?;
    let text = std::str::from_utf8(&data).map_err(|e| {
        Error::field(format!(
            "the list of facts is no UTF-8, path={}",
            path.display()
        ))
        .caused_by(e)
    })?;
    let mut facts = HashMap::new();
    for (number, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let wrong = |what: String| {
            Error::field(format!("line {} of the list of facts is wrong: {what}", number + 1))
                .hint("each line is an object such as {\"seq\": 0, \"timestamp\": 1.5}, named as `framecache frames --json` names facts")
        };
        let read = facts_of(line).map_err(wrong)?;
        let seq = read.seq;
        if facts.insert(seq, read).is_some() {
            return Err(wrong(format!("seq {seq} is there twice")));
        }
    }
    Ok(facts)
}

/// One line, refused where it has a name that is no fact's.
fn facts_of(line: &str) -> Result<FrameFacts, String> {
    let given: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).map_err(|e| e.to_string())?;
    if !given.contains_key("seq") {
        return Err("it names no seq".to_owned());
    }
    let facts: FrameFacts =
        serde_json::from_value(given.clone().into()).map_err(|e| e.to_string())?;
    let kept = serde_json::to_value(&facts).map_err(|e| e.to_string())?;
    let said =
        |value: &serde_json::Value| !value.is_null() && *value != serde_json::Value::Bool(false);
    match given
        .iter()
        .find(|(name, value)| said(value) && kept.get(name.as_str()).is_none())
    {
        Some((name, _)) => Err(format!("there is no fact of this name: {name}")),
        None => Ok(facts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixel::RgbImage;
    use crate::png::Pixels;

    #[test]
    fn file_names_give_numbers() {
        assert_eq!(number_of(Path::new("a/b/17.jpg")).unwrap(), 17);
        assert_eq!(number_of(Path::new("007.png")).unwrap(), 7);
        for name in [
            "a.jpg",
            "-1.jpg",
            "+1.jpg",
            "1a.jpg",
            ".jpg",
            "99999999999999999999.jpg",
        ] {
            assert!(number_of(Path::new(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_misspelt_fact_is_refused() {
        assert_eq!(
            facts_of(r#"{"seq": 3, "timestamp": 0.25, "damaged": false}"#)
                .unwrap()
                .timestamp,
            Some(0.25)
        );
        for line in [
            r#"{"seq": 3, "timestmap": 0.25}"#,
            r#"{"timestamp": 1}"#,
            "[]",
            "{",
            r#"{"seq": -1}"#,
            r#"{"seq": 1, "pts": "x"}"#,
        ] {
            assert!(facts_of(line).is_err(), "{line}");
        }
    }

    #[test]
    fn pixels_become_a_jpeg_near_them() {
        let data: Vec<u8> = (0..32 * 16)
            .flat_map(|n| [(n % 32 * 8) as u8, 90, 200])
            .collect();
        let pixels = Pixels::Rgb(RgbImage {
            width: 32,
            height: 16,
            data: data.clone(),
        });
        let jpeg = jpeg_of_pixels(&pixels, QUALITY).unwrap();
        let back = crate::jpeg::decode_rgb(&jpeg).unwrap();
        let error: u32 = back
            .data
            .iter()
            .zip(&data)
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum();
        assert!(
            error / (data.len() as u32) < 6,
            "mean error {}",
            error as f64 / data.len() as f64
        );
    }
}
