//! Where connections come from: TCP, or whatever else carries bytes in order.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A stream of bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream of any kind.
pub type BoxStream = Box<dyn Stream>;

/// A future of any kind.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens and accepts streams. [`Tcp`] is the one that everybody wants; tests bring their own.
pub trait Network: fmt::Debug + Send + Sync + 'static {
    /// Connects to `peer`, a `host:port`.
    fn connect<'a>(&'a self, peer: &'a str) -> BoxFuture<'a, io::Result<BoxStream>>;

    /// Listens at `address`, a `host:port`; port 0 is any that is free.
    fn listen<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Accept>>>;
}

/// Accepts streams.
pub trait Accept: Send + 'static {
    /// Where it listens.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// The next stream, and who is at its other end. Cancelling it loses nothing.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>>;
}

/// TCP by the operating system.
///
/// Small messages leave at once (`TCP_NODELAY`: the driver gathers what belongs together itself), and a
/// connection whose other end has vanished is noticed by keepalive: first after 300 s of silence, then twice
/// with 75 s between, as production does it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

impl Tcp {
    fn prepare(stream: &TcpStream) -> io::Result<()> {
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(300)).with_interval(Duration::from_secs(75));
        #[cfg(unix)]
        let keepalive = keepalive.with_retries(2);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
        stream.set_nodelay(true)
    }
}

impl Network for Tcp {
    fn connect<'a>(&'a self, peer: &'a str) -> BoxFuture<'a, io::Result<BoxStream>> {
        Box::pin(async move {
            let stream = TcpStream::connect(peer).await?;
            Self::prepare(&stream)?;
            Ok(Box::new(stream) as BoxStream)
        })
    }

    fn listen<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Accept>>> {
        Box::pin(async move { Ok(Box::new(TcpListener::bind(address).await?) as Box<dyn Accept>) })
    }
}

impl Accept for TcpListener {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async {
            let (stream, peer) = TcpListener::accept(self).await?;
            Tcp::prepare(&stream)?;
            Ok((Box::new(stream) as BoxStream, peer))
        })
    }
}
