//! A scripted HTTP server for tests: what a broken S3 service answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::aws::Endpoint;

/// One request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// From 0, over all connections.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// With its query.
    pub(crate) target: String,
    /// Lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines();
        let named = |line: &'_ str| line.split_once(": ").is_some_and(|(n, _)| n == name);
        let line = lines.into_iter().find(|line| named(line))?;
        line.split_once(": ").map(|(_, value)| value)
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: String,
    body: Vec<u8>,
    /// So much of the body is sent, then `end` happens.
    sent: usize,
    end: End,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Close,
    /// Nothing more is sent, and the connection stays.
    Hang,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        let body = body.into();
        Reply {
            status,
            headers: String::new(),
            sent: body.len(),
            body,
            end: End::Close,
        }
    }

    /// S3's XML for an error.
    pub(crate) fn error(status: u16, code: &str) -> Reply {
        let xml = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>"
        );
        Reply::new(status, xml)
    }

    pub(crate) fn header(mut self, line: &str) -> Reply {
        self.headers.push_str(line);
        self.headers.push_str("\r\n");
        self
    }

    pub(crate) fn cut(mut self, sent: usize, end: End) -> Reply {
        self.sent = sent;
        self.end = end;
        self
    }

    /// The connection ends without an answer.
    pub(crate) fn reset() -> Reply {
        Reply::new(0, "")
    }

    /// No answer ever comes.
    pub(crate) fn silence() -> Reply {
        Reply::new(0, "").cut(0, End::Hang)
    }
}

/// A server on a port of its own, for as long as the test's runtime runs.
pub(crate) struct Fake {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    pub(crate) async fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, seen) = (Arc::new(script), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                tokio::spawn(async move { serve(stream, &*script, &seen).await });
            }
        });
        Fake { url, requests }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint {
            url: Some(self.url.clone()),
            deadline: Duration::from_secs(20),
            ..Endpoint::default()
        }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &(impl Fn(&Request) -> Reply + Send + Sync),
    seen: &Mutex<Vec<Request>>,
) -> Option<()> {
    let mut request = read_request(&mut stream).await?;
    let reply = {
        let mut seen = seen.lock().unwrap();
        request.number = seen.len();
        seen.push(request.clone());
        script(&request)
    };
    if reply.status > 0 {
        let head = format!(
            "HTTP/1.1 {} X\r\nconnection: close\r\ncontent-length: {}\r\n{}\r\n",
            reply.status,
            reply.body.len(),
            reply.headers
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(&reply.body[..reply.sent]).await.ok()?;
    }
    if matches!(reply.end, End::Hang) {
        std::future::pending::<()>().await;
    }
    Some(())
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut data = Vec::new();
    let head_end = loop {
        if let Some(at) = data.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut data).await.ok()? == 0 {
            return None;
        }
    };
    let whole = String::from_utf8_lossy(&data[..head_end]).into_owned();
    let mut words = whole.split(' ');
    let mut request = Request {
        number: 0,
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        head: whole.to_lowercase(),
        body: data.split_off(head_end),
    };
    if request.header("expect").is_some() {
        stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .ok()?;
    }
    let length = request
        .header("content-length")
        .map_or(0, |l| l.parse().unwrap());
    while request.body.len() < length {
        if stream.read_buf(&mut request.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(request)
}
