//! Peer `tokio` as a server: a task for each connection, on one thread. It prints a line of JSON with its port, and
//! ends when its stdin ends.
use std::io::Read;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const MESSAGE_BYTES: usize = 64;
const READ_BYTES: usize = 1 << 16;

pub fn serve(is_reply: bool) {
    std::thread::spawn(|| {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
    tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{{\"port\":{}}}", listener.local_addr().unwrap().port());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            if is_reply {
                tokio::spawn(reply(stream));
            } else {
                tokio::spawn(echo(stream));
            }
        }
    });
}

async fn echo(mut stream: TcpStream) {
    let mut bytes = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// Writes each message by itself into a buffer, which is flushed when no complete message is left to read.
async fn reply(mut stream: TcpStream) {
    let (from, to) = stream.split();
    let mut from = tokio::io::BufReader::with_capacity(READ_BYTES, from);
    let mut to = tokio::io::BufWriter::with_capacity(READ_BYTES, to);
    let mut message = [0; MESSAGE_BYTES];
    while from.read_exact(&mut message).await.is_ok() {
        if to.write_all(&message).await.is_err() {
            return;
        }
        if from.buffer().len() < MESSAGE_BYTES && to.flush().await.is_err() {
            return;
        }
    }
}
