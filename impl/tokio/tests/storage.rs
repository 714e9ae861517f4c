//! What outlives a node, on disk.

use std::fs;
use std::path::{Path, PathBuf};

use razor::env::Timestamp;
use razor_tokio::storage::Storage;
use razor_tokio::{ChannelOptions, Error, ListenerOptions, Node};

/// A folder of its own for one test, deleted at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("razor-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn node(&self) -> Result<Node, Error> {
        Node::builder().storage(Storage::at(&self.0)).start()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_and_its_static_key_outlive_the_node() {
    let folder = Folder::new("outlive");
    let first = folder.node().unwrap().identity("alice").await.unwrap();
    let key = fs::read(folder.0.join("static-keys/alice.json")).unwrap();
    let second = folder.node().unwrap().identity("alice").await.unwrap();
    assert_eq!(first.identifier(), second.identifier());
    assert_eq!(key, fs::read(folder.0.join("static-keys/alice.json")).unwrap());
}

#[tokio::test]
async fn a_static_key_is_replaced_before_peers_stop_to_believe_it() {
    let folder = Folder::new("replace");
    folder.node().unwrap().identity("alice").await.unwrap();
    let before = fs::read(folder.0.join("static-keys/alice.json")).unwrap();
    let year = 365 * 24 * 3600;
    let later = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 4 * year;
    let node = Node::builder().storage(Storage::at(&folder.0)).wall_clock(move || later).start().unwrap();
    let identity = node.identity("alice").await.unwrap();
    assert_ne!(before, fs::read(folder.0.join("static-keys/alice.json")).unwrap());
    let kept = Storage::at(&folder.0).load_identity("alice").unwrap();
    assert_eq!(kept.identity.identifier(), identity.identifier());
    let in_two_years = Timestamp(later + 2 * year);
    assert!(Storage::at(&folder.0).load_static_key("alice", &kept.identity, in_two_years).unwrap().is_some());
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_not_another_identity() {
    let folder = Folder::new("damaged");
    folder.node().unwrap().identity("alice").await.unwrap();
    let path = folder.0.join("identities/alice.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"secret\": \"", "\"secret\": \"00")).unwrap();
    let error = folder.node().unwrap().identity("alice").await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_secret_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("private");
    folder.node().unwrap().identity("alice").await.unwrap();
    for path in ["identities", "static-keys", "identities/alice.json", "static-keys/alice.json"] {
        let mode = fs::metadata(folder.0.join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path} has mode {mode:o}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_a_peer_is_known_after_a_restart() {
    let folder = Folder::new("peers");
    let node = folder.node().unwrap();
    let identity = node.identity("alice").await.unwrap();
    let listener = node.listen("127.0.0.1:0").await.unwrap();
    let options = ListenerOptions { reached_through: vec![listener.reach().clone()], ..Default::default() };
    node.create_secure_channel_listener(&identity, "api", options).await.unwrap();

    let other = Node::start().unwrap();
    let peer = other.create_identity().await.unwrap();
    let connection = other.connect(&listener.local_addr().to_string()).await.unwrap();
    let channel = other.create_secure_channel(&peer, connection.route("api"), ChannelOptions::default()).await.unwrap();
    let mut context = other.open("app").reached_through(channel.reach()).context().await.unwrap();
    node.open("echo").reached_through(listener.reach()).echoer().await.unwrap();
    let _ = context.send(channel.route("echo"), b"so that message 3 has come").await;
    // The initiator's history is written when message 3 has been verified.
    for _ in 0..200 {
        if !files(&folder.0.join("peers")).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let kept = files(&folder.0.join("peers"));
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].file_name().unwrap().to_string_lossy(), peer.identifier().to_string());
    assert_eq!(fs::read(&kept[0]).unwrap(), peer.export());
    node.shutdown().await;
    assert_eq!(Storage::at(&folder.0).load_peers(1 << 20).unwrap()[0].identifier(), peer.identifier());
    // A file that does not verify is not passed over.
    fs::write(&kept[0], b"another history").unwrap();
    assert!(matches!(folder.node(), Err(Error::Damaged { .. })));
}

#[test]
fn the_oldest_histories_make_room_on_disk() {
    let folder = Folder::new("prune");
    fs::create_dir_all(folder.0.join("peers")).unwrap();
    for (n, name) in ["oldest", "middle", "newest"].iter().enumerate() {
        let path = folder.0.join("peers").join(name);
        fs::write(&path, [0; 100]).unwrap();
        let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 + n as u64);
        fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
    }
    let left = Storage::at(&folder.0).prune_peers(250).unwrap();
    let names: Vec<_> = left.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["newest", "middle"]);
    assert_eq!(files(&folder.0.join("peers")).len(), 2);
}
