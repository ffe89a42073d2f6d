//! A client of plain HTTP that does as little as one can: it writes a head, and reads as many bytes as the answer says.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::FRAMES;
use crate::running::TIMELINE;

/// Asks until the time is up; seconds of each.
pub async fn client(address: &str, (mut n, until): (usize, Instant)) -> Vec<f64> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    let mut calls = Vec::new();
    while Instant::now() < until {
        let seq = n % FRAMES;
        n += 1;
        let begun = Instant::now();
        let head = format!(
            "GET /v1/timelines/{TIMELINE}/frames/{seq}.jpg HTTP/1.1\r\nHost: {address}\r\n\r\n"
        );
        stream.get_mut().write_all(head.as_bytes()).await.unwrap();
        let mut frame = vec![0; length(&mut stream).await];
        stream.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[..2], [0xff, 0xd8]);
        calls.push(begun.elapsed().as_secs_f64());
    }
    calls
}

/// Of the body, once its head was read.
async fn length(stream: &mut BufReader<TcpStream>) -> usize {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.unwrap().parse().unwrap()
}
