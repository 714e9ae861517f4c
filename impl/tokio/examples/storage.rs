//! What outlives a node: identities, their static keys, and what is known of others.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use razor_tokio::storage::Storage;
use razor_tokio::{ChannelOptions, Error, ListenerOptions, Node, Result};

/// Prints what is in the folder, but for hidden files.
fn show(folder: &Path, peer: &str) -> io::Result<()> {
    for kind in ["identities", "static-keys", "peers"] {
        for file in fs::read_dir(folder.join(kind))? {
            let name = file?.file_name().to_string_lossy().replace(peer, "(Bob's identifier)");
            if !name.starts_with('.') {
                println!("  {kind}/{name}");
            }
        }
    }
    Ok(())
}

/// Somebody without a folder opens a channel, and waits for an answer through it.
async fn bob_calls(alice: &Node, name: &str) -> Result<String> {
    let identity = alice.identity(name).await?;
    let listener = alice.listen("127.0.0.1:0").await?;
    let options = ListenerOptions::default().reached_through(listener.reach());
    let channels = alice.create_secure_channel_listener(&identity, "api", options).await?;
    alice.open("echo").reached_through(channels.reach()).echoer().await?;

    let bob = Node::start()?;
    let identity = bob.create_identity().await?;
    let connection = bob.connect(&listener.local_addr().to_string()).await?;
    let route = connection.route("api");
    let channel = bob.create_secure_channel(&identity, route, ChannelOptions::default()).await?;
    let mut me = bob.open("me").reached_through(channel.reach()).context().await?;
    me.request(channel.route("echo"), b"hello", Duration::from_secs(10)).await?;
    bob.shutdown().await;
    Ok(identity.identifier().to_string())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("razor-guide-{}", std::process::id()));
    let start = || Node::builder().storage(Storage::at(&folder)).start();

    let node = start()?;
    let first = node.identity("alice").await?;
    let bob = bob_calls(&node, "alice").await?;
    node.shutdown().await;
    println!("A node has made the identity `alice`, has met Bob, and has ended. In its folder are:");
    show(&folder, &bob)?;
    assert!(folder.join("peers").join(&bob).exists());

    let node = start()?;
    let second = node.identity("alice").await?;
    println!("Another node on the same folder finds `alice`: it has the same identifier.");
    assert_eq!(first.identifier(), second.identifier());
    node.shutdown().await;

    let path = Storage::at(&folder).identity_path("alice")?;
    let text = fs::read_to_string(&path)?;
    fs::write(&path, &text[..text.len() / 2])?;
    let Err(Error::Damaged { path: damaged, why }) = start()?.identity("alice").await else {
        panic!("half a file is not an identity");
    };
    println!("Then somebody cuts the file in half. The next node makes no other `alice`, but says:");
    println!("  {} is damaged: {why}", damaged.strip_prefix(&folder)?.display());
    assert_eq!(damaged, path);

    fs::remove_dir_all(&folder)?;
    Ok(())
}
